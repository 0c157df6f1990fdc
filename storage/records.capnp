@0xe0c960386a9e1157;
# What the ledger stores. Fields are only ever added: a ledger of version 1 is read for ever
# (tests/storage/data holds one). Specs are canonical JSON, as runtime/core/spec.hpp writes it.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::storage::rows");

struct Problem {
  code @0 :UInt8;
  what @1 :Text;
  detail @2 :Text;
  hint @3 :Text;
}

struct Scalar {
  union {
    null @0 :Void;
    boolean @1 :Bool;
    integer @2 :Int64;
    number @3 :Float64;
    text @4 :Text;
    json @5 :Text;      # lists and maps
  }
}

struct Parameter {
  name @0 :Text;
  value @1 :Scalar;
}

struct Metric {
  name @0 :Text;
  value @1 :Float64;  # the last
  hasExtremes @2 :Bool;
  min @3 :Float64;
  max @4 :Float64;
}

struct Job {
  role @0 :Text;
  index @1 :UInt32;
  node @2 :Text;
  state @3 :UInt8;
  hasExit @4 :Bool;
  exit @5 :Int32;
  hasSignal @6 :Bool;
  signal @7 :Int32;
  gpus @8 :List(UInt32);
  started @9 :Int64;
  ended @10 :Int64;
  mounts @11 :List(Mount);
  binding @12 :Binding;
}

struct Binding {
  cpus @0 :Text;
  memory @1 :Text;
  own @2 :Bool;
  gpus @3 :List(Text);
  nics @4 :List(Text);
  note @5 :Text;
}

struct Mount {
  mount @0 :Text;
  method @1 :Text;
  place @2 :Text;
  writable @3 :Bool;
}

struct Attempt {
  number @0 :UInt32;
  epoch @1 :UInt64;
  state @2 :UInt8;
  started @3 :Int64;
  ended @4 :Int64;
  error @5 :Problem;
  jobs @6 :List(Job);
  resumed @7 :Text;
  running @8 :Int64;
  firstReport @9 :Int64;
  firstStep @10 :Float64;
  lastStep @11 :Float64;
  failed @12 :Int64;
  noticed @13 :Int64;
  stragglers @14 :List(Straggler);
  receipt @15 :Receipt;
}

struct Straggler {
  rank @0 :UInt32;
  node @1 :Text;
  late @2 :UInt64;
  share @3 :Float64;
}

struct Receipt {
  time @0 :Int64;
  nodes @1 :List(ReceiptNode);
  allReduce @2 :UInt64;
  latency @3 :UInt64;
  of @4 :Text;
  notes @5 :List(Text);
}

struct ReceiptNode {
  node @0 :Text;
  next @1 :Text;
  copy @2 :UInt64;
  link @3 :UInt64;
  error @4 :Text;
  told @5 :Bool;
}

struct Checkpoint {
  name @0 :Text;
  epoch @1 :UInt64;
  attempt @2 :UInt32;
  made @3 :Int64;
  node @4 :Text;
  hasValue @5 :Bool;
  value @6 :Float64;
  parts @7 :List(CheckpointPart);
}

struct CheckpointPart {
  node @0 :Text;
  made @1 :Int64;
}

struct Experiment {
  state @0 :UInt8;
  user @1 :Text;
  project @2 :Text;
  params @3 :List(Parameter);
  reason @4 :Text;
  error @5 :Problem;
  hasExit @6 :Bool;
  exit @7 :Int32;
  created @8 :Int64;
  queued @9 :Int64;
  started @10 :Int64;
  ended @11 :Int64;
  attempts @12 :List(Attempt);
  metrics @13 :List(Metric);
  rerunOf @14 :Text;
  failures @15 :UInt32;
  restarts @16 :UInt32;
  hangs @17 :UInt32;
  checkpoints @18 :List(Checkpoint);
  stopped @19 :Text;
  paused @20 :Text;
  branchedFrom @21 :UInt32;
  preempted @22 :Text;
}

struct Set {
  state @0 :UInt8;
  user @1 :Text;
  project @2 :Text;
  reason @3 :Text;
  error @4 :Problem;
  created @5 :Int64;
  started @6 :Int64;
  ended @7 :Int64;
  size @8 :UInt64;
  next @9 :UInt64;
  finished @10 :UInt64;
  failed @11 :UInt64;
  killed @12 :UInt64;
  hasBest @13 :Bool;
  bestMember @14 :UInt32;
  bestValue @15 :Float64;
  bestParams @16 :List(Parameter);
  rerunOf @17 :Text;
  stopReason @18 :Text;
  failuresPassed @19 :Bool;
  stopped @20 :UInt64;
  picked @21 :Text;
  pickedReason @22 :Text;
  front @23 :List(UInt32);
  changed @24 :Text;  # the sweep as it is now; empty: as it was submitted
  spent @25 :UInt64;
}

struct SearchEntry {
  kind @0 :UInt8;
  outcome @1 :UInt8;
  trial @2 :UInt64;
  step @3 :Float64;
  values @4 :List(Float64);
  params @5 :List(Parameter);
  note @6 :Text;
}

struct SearchPage {
  entries @0 :List(SearchEntry);
}

struct Specs {
  experiment @0 :Text;
  sweep @1 :Text;     # of a set
}

struct Event {
  time @0 :Int64;
  kind @1 :Text;
  subject @2 :Text;
  project @3 :Text;
  from @4 :Text;
  to @5 :Text;
  cause @6 :Text;
  error @7 :Problem;
}

struct Key {
  top @0 :UInt64;
  member @1 :UInt32;
  isSet @2 :Bool;
  size @3 :UInt64;
}

struct Dataset {
  # A version; its name and number are the key.
  digest @0 :Text;
  bytes @1 :UInt64;
  payload @2 :UInt64;
  files @3 :UInt64;
  records @4 :UInt64;
  blocks @5 :UInt32;
  user @6 :Text;
  created @7 :Int64;
  source @8 :Text;
  from @9 :Text;
  checkpoint @10 :Checkpoint;
}

struct Token {
  user @0 :Text;
  admin @1 :Bool;
  label @2 :Text;
  expires @3 :Int64;
}

struct User {
  admin @0 :Bool;
  created @1 :Int64;
}
