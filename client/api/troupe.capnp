@0xb624a198a9e138a6;
# The public API of Troupe, in one place. The RPC interface, the JSON of the HTTP routes and the
# OpenAPI description all come from these definitions; routes with examples: docs/reference/http.md.
#
# JSON: field names as in $Json.name, else as here. A null pointer is null (a list [], a map {}).
# Some structs have a JSON form of their own, said at each of them; schema_json.cpp knows them.
# 64-bit integers are JSON numbers. A float always has a point or an exponent, NaN and the
# infinities are "NaN", "Infinity", "-Infinity". Times are RFC 3339 in UTC.

using Cxx = import "/capnp/c++.capnp";
using Json = import "/capnp/compat/json.capnp";

$Cxx.namespace("troupe::api::wire");

# ---- Typed values -------------------------------------------------------------------------------

struct Value {
  # JSON: the value itself. An integer stays an integer, a float a float.
  union {
    null @0 :Void;
    boolean @1 :Bool;
    integer @2 :Int64;
    float @3 :Float64;
    text @4 :Text;
    list @5 :List(Value);
    map @6 :Values;
  }
}

struct Values {
  # JSON: an object of values.
  struct Entry {
    name @0 :Text;
    value @1 :Value;
  }
  entries @0 :List(Entry);
}

struct Texts {
  # JSON: an object of strings.
  struct Entry {
    name @0 :Text;
    value @1 :Text;
  }
  entries @0 :List(Entry);
}

struct Numbers {
  # JSON: an object of numbers.
  struct Entry {
    name @0 :Text;
    value @1 :Float64;
  }
  entries @0 :List(Entry);
}

struct Concurrency {
  # JSON: an integer, or "2..8"; null where there is no limit.
  most @0 :Int64;
  sure @1 :Int64;  # of a range: its lower end; 0: it is none
}

struct OptInt {
  # JSON: an integer; null where unknown or not asked for.
  value @0 :Int64;
}

struct OptNumber {
  # JSON: a number; null where unknown.
  value @0 :Float64;
}

struct Seed {
  # JSON: an integer of 64 bits without sign; read also from its decimal digits in a string.
  value @0 :UInt64;
}

struct Size {
  # JSON: an integer of bytes; read also from a string with a unit, "2GiB".
  bytes @0 :UInt64;
}

struct Span {
  # JSON: an integer of milliseconds; read also from a string with units, "1h30m".
  ms @0 :UInt64;
}

struct Command {
  # JSON: a string for /bin/sh, or a list of strings: an argument vector that no shell sees.
  union {
    shell @0 :Text;
    argv @1 :List(Text);
  }
}

struct Commands {
  # JSON: a list of commands (phases); read also from one string: a single phase.
  list @0 :List(Command);
}

# ---- What is asked for --------------------------------------------------------------------------

struct Resources {
  # For each worker.
  cpus @0 :Float64 = 1;
  mem @1 :Size;
  gpus @2 :UInt32;
  gpuType @3 :Text $Json.name("gpu_type");
  shm @4 :Size;
  gpuShare @5 :Float64 = 1 $Json.name("gpu_share");  # of its GPU: below 1 others share it
  gpuMem @6 :Size $Json.name("gpu_mem");  # that each GPU has at least
  nodeLabels @7 :Texts $Json.name("node_labels");  # that the nodes must have
  maxProcesses @8 :UInt64 $Json.name("max_processes");  # and threads; 0: what its machine gives
  binding @9 :Text;  # "off", "cores" or "numa"; "auto" or empty: as the node does
}

struct Workers {
  # JSON: an integer; read also from "2..8" and {count, min, max, processes, resize_after}; written
  # as an integer, or "2..8" where they differ.
  min @0 :UInt32 = 1;
  max @1 :UInt32 = 1;
  processes @2 :UInt32;
  resizeAfterMs @3 :UInt64 = 600000;  # of a range: no other number of workers before that
}

struct DataMount {
  # JSON: {source, mount, digest, writable}; read also from a string: the source.
  source @0 :Text;
  mount @1 :Text;
  digest @2 :Text;  # of the version; answered, not asked for
  writable @3 :Bool;  # what is written is the job's own, and gone with it
}

struct Limits {
  pending @0 :Span;
  running @1 :Span;
}

struct Retry {
  count @0 :UInt32;
  backoff @1 :Span;
}

struct Watchdog {
  patience @0 :Span;  # without progress; 0: nobody watches
  action @1 :Text;  # "report" (the default), "restart", "fail"
}

struct Role {
  # Some of the workers, for frameworks that tell them apart.
  name @0 :Text;  # "chief", "worker", "ps", "evaluator"
  count @1 :UInt32 = 1;
  run @2 :Commands;  # instead of the experiment's
  resources @3 :Resources;  # instead of the experiment's, all of them; null: those
}

struct Launch {
  # What processes find beside what every job finds.
  contracts @0 :List(Text);  # "slurm", "jax", "pmi1", "pmix", "local_rank"
}

struct CheckpointRule {
  # Which checkpoints are kept.
  keepLast @0 :UInt32 = 2 $Json.name("keep_last");  # 0: the head keeps none
  keepBest @1 :UInt32 = 1 $Json.name("keep_best");  # beside them, by `metric`
  metric @2 :Text;  # "max.accuracy"; of a sweep, its own where none is given
  shards @3 :Bool;  # every node of a gang writes its part of each
}

struct Range {
  min @0 :Value;
  max @1 :Value;
  step @2 :Value;
  count @3 :OptInt;
  scale @4 :Text;
}

struct Parameter {
  # One of value, choices, range. Order matters: in a grid the last one varies fastest.
  name @0 :Text;
  value @1 :Value;
  choices @2 :List(Value);
  range @3 :Range;
  when @4 :Text;  # the condition on others without which it has no value
}

struct Code {
  digest @0 :Text;
  git @1 :Text;
}

struct Sweep {
  strategy @0 :Text;
  trials @1 :OptInt;
  seed @2 :Seed;
  concurrency @3 :Concurrency;
  metric @4 :Text;
  stopWhen @5 :Text $Json.name("stop_when");
  maxFailures @6 :OptInt $Json.name("max_failures");
  onStop @7 :Text $Json.name("on_stop");
  earlyStop @8 :Values $Json.name("early_stop");
  points @9 :List(Values);
  enqueue @10 :List(Values);  # what the first members try
  from @11 :OptInt;  # an earlier set to learn from
  ask @12 :Bool;  # nothing runs: members are asked for and told
  constraints @13 :List(Text);  # conditions that each point keeps
  forbidden @14 :List(Values);  # values that do not go together; a list: any of them
  budget @15 :Text;  # "40gpuh", "200cpuh", or a time: "2h"
}

struct Submission {
  project @0 :Text;
  name @1 :Text;
  task @2 :Text;
  run @3 :Commands;
  setup @4 :Commands;
  resources @5 :Resources;
  workers @6 :Workers;
  data @7 :List(DataMount);
  params @8 :Values;  # constants; come before `parameters`, sorted by name
  parameters @9 :List(Parameter);
  limits @10 :Limits;
  retry @11 :Retry;
  priority @12 :Int32 = 50;
  env @13 :Texts;
  labels @14 :Texts;
  after @15 :List(Text);
  code @16 :Code;
  seed @17 :Seed;
  key @18 :Text;  # idempotency; the Idempotency-Key header wins
  sweep @19 :Sweep;
  preemptible @20 :Bool = true;  # may be stopped in favour of others, to go on later
  exclusive @21 :Bool;  # never two attempts at once, also where a node is only cut off
  watchdog @22 :Watchdog;
  mountMethod @23 :Text $Json.name("mount_method");  # of its data: "erofs"; empty: the best there is
  checkpoints @24 :CheckpointRule;  # given: also nodes keep no others
  roles @25 :List(Role);  # the workers are those of all roles, in their order
  launch @26 :Launch;
  receipt @27 :Bool = true;  # where it starts on several nodes, what they do together is measured
}

struct Submissions {
  submissions @0 :List(Submission);
}

struct RerunRequest {
  params @0 :Values;
  options @1 :Values;  # the keys of a submission; each given one replaces that of the original
  key @2 :Text;
}

struct Digests {
  digests @0 :List(Text);
}

# ---- What is answered ---------------------------------------------------------------------------

struct Error {
  code @0 :Text;
  message @1 :Text;
  detail @2 :Text;
  hint @3 :Text;
}

struct ErrorBody {
  error @0 :Error;
}

struct Submitted {
  id @0 :Text;
  kind @1 :Text;  # "experiment" or "set"
  size @2 :UInt64;
  repeated @3 :Bool;
}

struct SubmitResult {
  submitted @0 :Submitted;
  error @1 :Error;
}

struct SubmitResults {
  results @0 :List(SubmitResult);
}

struct JobMount {
  # How a job was shown one of its datasets.
  mount @0 :Text;
  method @1 :Text;  # "erofs", "erofs-loop", "fuse", "copy"
  place @2 :Text;  # "private": in a mount of the job's own; "link": to one of its node
  writable @3 :Bool;
}

struct Job {
  id @0 :Text;
  node @1 :Text;
  state @2 :Text;
  exitCode @3 :OptInt $Json.name("exit_code");
  signal @4 :OptInt;
  gpus @5 :List(UInt32);
  started @6 :Text;
  ended @7 :Text;
  mounts @8 :List(JobMount);
  binding @9 :JobBinding;  # null: it has not begun, or runs wherever there is room
}

# Where a job runs on its node. Lists of numbers are "0-3,8".
struct JobBinding {
  cpus @0 :Text;    # empty: wherever there is room
  memory @1 :Text;  # NUMA nodes
  own @2 :Bool;     # its cores are nobody else's
  gpus @3 :List(Text);  # UUIDs, or PCI bus ids
  nics @4 :List(Text);  # the nearest of each rank
  note @5 :Text;    # why it is not bound as it was wished; else null
}

struct Attempt {
  number @0 :UInt32;
  state @1 :Text;
  started @2 :Text;
  ended @3 :Text;
  error @4 :Error;
  jobs @5 :List(Job);
  resumed @6 :Text;  # the checkpoint that it went on from
  recovery @7 :Recovery;  # what the failure of the one before it cost
  receipt @8 :Receipt;  # null: it runs on one node, or was not to be measured
}

# What its machines were seen to do together before it started; rates are bytes a second. Null: not
# measured.
struct Receipt {
  time @0 :Text;  # null: not yet
  nodes @1 :List(ReceiptNode);  # in the order of the ring
  allReduce @2 :OptNumber $Json.name("all_reduce");  # of 4 MiB, on the busiest link
  latency @3 :OptNumber;  # seconds, of an all_reduce of 1 KiB
  of @4 :Text;  # the experiment that it was measured for; null: this one
  notes @5 :List(Text);  # what is far below what was usual
}

struct ReceiptNode {
  node @0 :Text;
  next @1 :Text;  # to which it sent
  copy @2 :OptNumber;  # within its memory
  link @3 :OptNumber;  # sent to `next`
  error @4 :Text;  # why it was not measured; else null
}

struct Recovery {
  # From a failure to where the next attempt makes progress. Null: unknown, or not yet.
  lostSteps @0 :OptNumber $Json.name("lost_steps");  # reported, and done again
  detection @1 :OptNumber;  # seconds from the failure until the head knew
  rebuild @2 :OptNumber;  # from then until all processes ran again
  warmUp @3 :OptNumber $Json.name("warm_up");  # from then until the first metric was reported
}

struct Checkpoint {
  # One that was renamed into place.
  name @0 :Text;
  step @1 :OptInt;  # the last number in its name
  attempt @2 :UInt32;
  made @3 :Text;
  node @4 :Text;  # where it was made
  value @5 :OptNumber;  # of the rule's metric
  kept @6 :Bool;  # the head has it too
  version @7 :UInt32;  # of the experiment's checkpoints, there; 0: it has not
  digest @8 :Text;
  bytes @9 :UInt64;
}

struct MetricSummary {
  last @0 :Numbers;
}

struct Best {
  id @0 :Text;
  params @1 :Values;
  value @2 :OptNumber;
}

struct Member {
  id @0 :Text;
  state @1 :Text;
  params @2 :Values;
  value @3 :OptNumber;  # its best of the set's metric: what the set compares
  last @4 :OptNumber;
}

struct Experiment {
  kind @0 :Text;  # "experiment"
  id @1 :Text;
  set @2 :Text;  # null where it is no member
  name @3 :Text;
  project @4 :Text;
  task @5 :Text;
  user @6 :Text;
  state @7 :Text;
  reason @8 :Text;
  error @9 :Error;
  params @10 :Values;
  command @11 :Commands;
  setup @12 :Commands;
  resources @13 :Resources;
  workers @14 :Workers;
  processes @15 :UInt32;
  priority @16 :Int32;
  limits @17 :Limits;
  retry @18 :Retry;
  created @19 :Text;
  queued @20 :Text;
  started @21 :Text;
  ended @22 :Text;
  exitCode @23 :OptInt $Json.name("exit_code");
  attempts @24 :List(Attempt);
  jobs @25 :List(Job);  # of the newest attempt
  metrics @26 :MetricSummary;
  best @27 :Values;  # of each metric {min, max}: only a set says which of them is good
  datasets @28 :List(DataMount);
  code @29 :Code;
  env @30 :Texts;
  labels @31 :Texts;
  after @32 :List(Text);
  seed @33 :Seed;
  rerunOf @34 :Text $Json.name("rerun_of");
  preemptible @35 :Bool;
  exclusive @36 :Bool;
  watchdog @37 :Watchdog;
  mountMethod @38 :Text $Json.name("mount_method");
  checkpointRule @39 :CheckpointRule $Json.name("checkpoint_rule");  # null: the default one
  checkpoints @40 :List(Checkpoint);  # the newest last
  roles @41 :List(Role);
  launch @42 :Launch;
  stopped @43 :Text;  # why early stopping ended it; empty: it did not
  paused @44 :Text;  # why its set holds it back until its turn comes; null: it does not
  branchedFrom @45 :Text $Json.name("branched_from");  # whose checkpoint it began from
  stragglers @46 :List(Straggler);  # that the other ranks of the newest attempt wait for
  receipt @47 :Bool;
}

struct Straggler {
  rank @0 :UInt32;
  node @1 :Text;
  late @2 :Text;  # in each collective call, on average: "12ms"; null where calls are not known
  share @3 :Float64;  # of the time: how long the others wait for it
}

struct Counts {
  finished @0 :UInt64;
  failed @1 :UInt64;
  killed @2 :UInt64;
}

struct ExperimentSet {
  kind @0 :Text;  # "set"
  id @1 :Text;
  set @2 :Text;  # always null
  name @3 :Text;
  project @4 :Text;
  task @5 :Text;
  user @6 :Text;
  state @7 :Text;
  reason @8 :Text;
  error @9 :Error;
  params @10 :Values;  # the constants
  parameters @11 :List(Parameter);
  command @12 :Commands;
  setup @13 :Commands;
  resources @14 :Resources;
  workers @15 :Workers;
  processes @16 :UInt32;
  priority @17 :Int32;
  limits @18 :Limits;
  retry @19 :Retry;
  created @20 :Text;
  queued @21 :Text;
  started @22 :Text;
  ended @23 :Text;
  exitCode @24 :OptInt $Json.name("exit_code");  # always null
  attempts @25 :List(Attempt);
  jobs @26 :List(Job);
  metrics @27 :MetricSummary;
  datasets @28 :List(DataMount);
  code @29 :Code;
  env @30 :Texts;
  labels @31 :Texts;
  after @32 :List(Text);
  rerunOf @33 :Text $Json.name("rerun_of");
  strategy @34 :Text;
  seed @35 :Seed;
  trials @36 :OptInt;
  concurrency @37 :Concurrency;
  metric @38 :Text;
  stopWhen @39 :Text $Json.name("stop_when");
  maxFailures @40 :OptInt $Json.name("max_failures");
  onStop @41 :Text $Json.name("on_stop");
  earlyStop @42 :Values $Json.name("early_stop");
  size @43 :UInt64;
  next @44 :UInt64;  # the lowest member number that was not started yet
  counts @45 :Counts;
  members @46 :List(Member);  # those begun, lowest first; in `show` only, at most 1000
  membersNextPageToken @47 :Text $Json.name("members_next_page_token");
  best @48 :Best;
  preemptible @49 :Bool;
  exclusive @50 :Bool;
  watchdog @51 :Watchdog;
  mountMethod @52 :Text $Json.name("mount_method");
  checkpointRule @53 :CheckpointRule $Json.name("checkpoint_rule");
  roles @54 :List(Role);
  launch @55 :Launch;
  picked @56 :Text;  # the strategy that `auto` stands for
  pickedReason @57 :Text $Json.name("picked_reason");
  front @58 :List(Text);  # of several objectives: the members that none beats in all of them
  enqueue @59 :List(Values);
  from @60 :OptInt;
  stopped @61 :UInt64;  # of those that finished: ended by early stopping
  ask @62 :Bool;  # nothing runs: members are asked for and told
  constraints @63 :List(Text);
  forbidden @64 :List(Values);
  budget @65 :Budget;  # null: none
  receipt @66 :Bool;
}

struct Budget {
  limit @0 :Text;
  unit @1 :Text;  # "gpu_hours", "cpu_core_hours" or "hours"
  amount @2 :Float64;
  spent @3 :Float64;  # counted some times a minute while it runs
  left @4 :Float64;
}

struct Entry {
  # JSON: the one it holds; "kind" tells them apart.
  union {
    experiment @0 :Experiment;
    set @1 :ExperimentSet;
  }
}

struct Listing {
  experiments @0 :List(Entry);
  nextPageToken @1 :Text $Json.name("next_page_token");
}

struct Waiting {
  state @0 :Text;
  reasons @1 :List(Text);
  expectedStart @2 :Text $Json.name("expected_start");
  startsNowWith @3 :Text $Json.name("starts_now_with");
  data @4 :List(Text);  # what it reads, and how much of that must travel
  search @5 :List(Text);  # of a member: why its point was chosen, and why it was stopped
}

struct SearchReplay {
  set @0 :Text;
  strategy @1 :Text;
  suggestions @2 :UInt64;  # points that were derived again
  reports @3 :UInt64;  # verdicts of early stopping that were
  differences @4 :UInt64;
  first @5 :List(Text);  # of these, in words; at most 20
}

struct SetChange {
  # Of a set that has not ended; all of it or nothing.
  changes @0 :Values;  # trials, concurrency, budget, stop_when, early_stop; null: none any more
  add @1 :List(Values);  # points to be tried next
  skip @2 :List(UInt32);  # members that are not to be tried, or to end
}

# ---- Ask and tell -------------------------------------------------------------------------------

struct AskRequest {
  count @0 :UInt32 = 1;  # at most 1000
  key @1 :Text;  # idempotency; the Idempotency-Key header wins
}

struct Trial {
  # A member of a set that is run elsewhere.
  id @0 :Text;  # "42.7"
  trial @1 :UInt32;  # its number: 7
  params @2 :Values;
  state @3 :Text;
  asked @4 :Text;  # when
}

struct Asked {
  trials @0 :List(Trial);
  done @1 :Bool;  # there will be no more
  reason @2 :Text;  # why these are fewer than were asked for; null: they are not
  repeated @3 :Bool;  # the key was known: these are the trials that it got
}

struct TellRequest {
  trial @0 :UInt32;
  state @1 :Text;  # "FINISHED", the default, "FAILED", "KILLED"; "RUNNING": so far
  metrics @2 :Values;  # numbers by name; `step`, and what early stopping looks at, too
  value @3 :Value;  # instead: the metric of the set; a list where it has several
}

struct Told {
  id @0 :Text;
  state @1 :Text;
  stop @2 :Bool;  # it is to end: why is in `reason`
  reason @3 :Text;
  best @4 :Bool;  # it is the set's best now
  done @5 :Bool;  # the set needs no more trials
  repeated @6 :Bool;  # it was told so before
}

struct LogLine {
  time @0 :Text;
  job @1 :Text;
  rank @2 :UInt32;
  stream @3 :Text;  # "stdout", "stderr", "troupe"
  text @4 :Text;
  partial @5 :Bool;
}

struct MetricNames {
  names @0 :List(Text);
  last @1 :Numbers;
}

struct MetricPoint {
  step @0 :Float64;
  value @1 :Float64;
  time @2 :Text;
}

struct MetricSeries {
  name @0 :Text;
  points @1 :List(MetricPoint);
}

struct OutputEntry {
  path @0 :Text;
  size @1 :UInt64;
  modified @2 :Text;
  isLink @3 :Bool $Json.name("is_link");
  target @4 :Text;
}

struct Outputs {
  outputs @0 :List(OutputEntry);
  complete @1 :Bool = true;  # false: there are more files, or folders too deep to be listed
  nextPageToken @2 :Text $Json.name("next_page_token");
  note @3 :Text;  # where its node is away: what of it the head has; else null
}

struct Node {
  name @0 :Text;
  state @1 :Text;
  cpus @2 :Float64;
  cpusUsed @3 :Float64 $Json.name("cpus_used");
  mem @4 :UInt64;
  memUsed @5 :UInt64 $Json.name("mem_used");
  gpus @6 :UInt32;
  gpusUsed @7 :UInt32 $Json.name("gpus_used");
  gpuType @8 :Text $Json.name("gpu_type");
  jobs @9 :UInt32;
  version @10 :Text;
  joined @11 :Text;
  labels @12 :Texts;
  gpuMem @14 :UInt64 $Json.name("gpu_mem");  # of each GPU
  experiments @15 :List(Text);  # that have jobs there, at most 1000
  reason @13 :Text;  # why it is suspect, lost, or drained by the head; else null
  failures @16 :List(Text);  # of experiments there, of the last day and counted against it
  clockAheadMs @17 :OptInt $Json.name("clock_ahead_ms");  # of the head's; null where unknown
  cache @18 :NodeCache;  # null: it has not said yet
  topology @19 :Text;  # JSON: packages, NUMA nodes, cores, GPUs, NICs, links; null: not known
  devices @20 :List(GpuDevice);
  drift @21 :List(Text);  # what was far below usual there, so that gangs go elsewhere first
}

struct GpuDevice {
  index @0 :UInt32;
  uuid @1 :Text;
  bus @2 :Text;     # PCI
  name @3 :Text;
  closed @4 :Text;  # why nobody gets it; null: it is in use
}

# What a node keeps of datasets.
struct NodeCache {
  limit @0 :UInt64;  # bytes; 0: the disk's
  used @1 :UInt64;
  diskFree @2 :UInt64 $Json.name("disk_free");
  versions @3 :List(CachedVersion);
  unlisted @4 :UInt64;  # versions beyond those
}

# A dataset version on a node.
struct CachedVersion {
  node @0 :Text;
  dataset @1 :Text;  # "digits:3"; null: no version has this content any more
  digest @2 :Text;
  state @3 :Text;    # "coming", "here" or "failed"
  bytes @4 :UInt64;  # on the node's disk
  total @5 :UInt64;  # of its blocks, while it comes
  arrived @6 :UInt64;
  since @7 :Text;    # when it was here
  used @8 :Text;     # when a job last held it
  hits @9 :UInt64;   # jobs that found it here
  mount @10 :Text;   # how its files are shown; null: not now
  holders @11 :List(Text);  # jobs
  wanted @12 :Bool;  # by what is queued
  sources @13 :List(Text);  # nodes it came from, or "the head"
  left @14 :List(Text);  # sources that were given up, with the reason
  error @15 :Text;  # why it could not be brought; else null
}

# The labels to set; an empty value removes one.
struct NodeLabels {
  labels @0 :Texts;
}

struct JoinToken {
  token @0 :Text;
}

struct DatasetVersion {
  name @0 :Text;
  version @1 :UInt32;
  digest @2 :Text;
  bytes @3 :UInt64;    # of all files
  payload @4 :UInt64;  # of all blocks
  files @5 :UInt64;
  records @6 :UInt64;
  blocks @7 :UInt32;
  user @8 :Text;
  created @9 :Text;
  source @10 :Text;
  from @11 :Text;
  nodes @12 :List(CachedVersion);  # where it lies; of one version alone
}

# Nodes that are to fetch a version; none: all that are up.
struct DatasetWarm {
  nodes @0 :List(Text);
}

struct CachedVersions {
  nodes @0 :List(CachedVersion);
}

struct DatasetListing {
  datasets @0 :List(DatasetVersion);
  nextPageToken @1 :Text $Json.name("next_page_token");
}

struct DatasetTag {
  tag @0 :Text;
  version @1 :UInt32;
}

struct DatasetView {
  name @0 :Text;
  versions @1 :List(DatasetVersion);
  tags @2 :List(DatasetTag);
}

# ---- What lies on disks --------------------------------------------------------------------------

# A check of everything that is stored.
struct StoreCheckRequest {
  repair @0 :Bool;  # what is damaged is fetched again where that is possible, else set aside
  nodes @1 :Bool;  # nodes hash what they keep, too
}

struct StoreProblem {
  kind @0 :Text;  # "block", "manifest", "code file", "code snapshot", "version"
  digest @1 :Text;
  detail @2 :Text;
  versions @3 :List(Text);  # hurt: "digits:3"; of code the digests of snapshots
  files @4 :List(Text);  # hurt, the first ones
  unlisted @5 :UInt64;  # files beyond those
  node @6 :Text;  # where; null: the head
  cured @7 :Bool;
  cure @8 :Text;  # what was done about it; null: nothing
}

struct StoreCheck {
  blocks @0 :UInt64;  # read and hashed
  bytes @1 :UInt64;  # of all that was
  manifests @2 :UInt64;
  codeFiles @3 :UInt64 $Json.name("code_files");
  nodeVersions @4 :UInt64 $Json.name("node_versions");
  problems @5 :List(StoreProblem);
  unasked @6 :List(Text);  # nodes that could not be asked, with the reason
}

# What nothing needs any more is removed.
struct CollectRequest {
  dryRun @0 :Bool $Json.name("dry_run");
  olderThan @1 :Span $Json.name("older_than");  # of what nothing names; null: a day
}

struct CollectedItem {
  kind @0 :Text;  # "blocks", "manifest", "code", "copy", "outputs"
  name @1 :Text;  # "41/out"
  node @2 :Text;  # where; null: the head
  bytes @3 :UInt64;
  why @4 :Text;
}

struct Collection {
  dryRun @0 :Bool $Json.name("dry_run");
  freed @1 :UInt64;  # bytes; of a dry run: that would be
  items @2 :List(CollectedItem);
  notes @3 :List(Text);  # what was left, and why
}

struct VersionUse {
  name @0 :Text;
  version @1 :UInt32;
  bytes @2 :UInt64;  # of its blocks
  own @3 :UInt64;  # of blocks that no other version has
}

struct NodeUse {
  node @0 :Text;
  cache @1 :UInt64;
  outputs @2 :UInt64;  # of experiments, without their checkpoints
  checkpoints @3 :UInt64;
  logs @4 :UInt64;
  diskFree @5 :UInt64 $Json.name("disk_free");
  error @6 :Text;  # why it said nothing; else null
}

struct ExperimentUse {
  id @0 :Text;
  project @1 :Text;
  outputs @2 :UInt64;
  checkpoints @3 :UInt64;
  logs @4 :UInt64;
  nodes @5 :List(Text);
}

struct StoreUse {
  datasets @0 :List(VersionUse);
  copies @1 :List(VersionUse);  # of outputs, on the head
  data @2 :UInt64;  # blocks and manifests of all these, each once
  unused @3 :UInt64;  # that nothing names: of pushes that have not ended, or garbage
  aside @4 :UInt64;  # damaged ones that were set aside
  code @5 :UInt64;
  snapshots @6 :UInt64;
  records @7 :UInt64;  # the ledger and metric series
  nodes @8 :List(NodeUse);
  experiments @9 :List(ExperimentUse);  # the largest first
  unlisted @10 :UInt64;  # experiments beyond those
}

struct Nodes {
  nodes @0 :List(Node);
}

struct Event {
  number @0 :UInt64;
  time @1 :Text;
  kind @2 :Text;
  subject @3 :Text;
  project @4 :Text;
  from @5 :Text;
  to @6 :Text;
  cause @7 :Text;
  error @8 :Error;
}

struct EventPage {
  events @0 :List(Event);
  last @1 :UInt64;
}

struct Missing {
  missing @0 :List(Text);
}

struct Digest {
  digest @0 :Text;
}

struct LastId {
  id @0 :Text;
}

struct Version {
  version @0 :Text;
  api @1 :Text;
}

struct WhoAmI {
  user @0 :Text;
  admin @1 :Bool;
  job @2 :Text;  # the experiment a job's token is good for; else null
}

# ---- RPC ----------------------------------------------------------------------------------------

# On the port of HTTP. An answer with a non-null `error` carries nothing else.

interface Troupe {
  login @0 (token :Text) -> (error :Error, session :Session);
  version @1 () -> (version :Text);
}

struct ListRequest {
  project @0 :Text;
  state @1 :Text;
  set @2 :Text;
  live @3 :Bool;
  limit @4 :UInt32;
  pageToken @5 :Text;
}

interface Session {
  submit @0 (submission :Submission) -> (error :Error, submitted :Submitted);
  submitMany @1 (submissions :List(Submission)) -> (error :Error, results :List(SubmitResult));
  rerun @2 (id :Text, request :RerunRequest) -> (error :Error, submitted :Submitted);
  kill @3 (id :Text) -> (error :Error, entry :Entry);
  show @4 (id :Text) -> (error :Error, entry :Entry);
  list @5 (query :ListRequest) -> (error :Error, listing :Listing);
  last @6 (project :Text) -> (error :Error, id :Text);
  why @7 (id :Text) -> (error :Error, waiting :Waiting);
  logs @8 (job :Text, offset :UInt64, limit :UInt32, wait :Bool)
      -> (error :Error, bytes :Data, nextOffset :UInt64, end :Bool);
  logTailOffset @9 (job :Text, lines :UInt32) -> (error :Error, offset :UInt64);
  metricNames @10 (id :Text) -> (error :Error, names :List(Text));
  metric @11 (id :Text, name :Text, limit :UInt32) -> (error :Error, series :MetricSeries);
  outputs @12 (id :Text, pageToken :Text, limit :UInt32)
      -> (error :Error, outputs :List(OutputEntry), complete :Bool = true, nextPageToken :Text);
  readOutput @13 (id :Text, path :Text, offset :UInt64, limit :UInt32)
      -> (error :Error, bytes :Data, size :UInt64);
  missingBlobs @14 (digests :List(Text)) -> (error :Error, missing :List(Text));
  putBlob @15 (digest :Text, bytes :Data) -> (error :Error);
  putManifest @16 (text :Text) -> (error :Error, digest :Text);
  getManifest @17 (digest :Text) -> (error :Error, text :Text);
  getBlob @18 (digest :Text, offset :UInt64, limit :UInt32)
      -> (error :Error, bytes :Data, size :UInt64);
  nodes @19 () -> (error :Error, nodes :List(Node));
  events @20 (after :UInt64, limit :UInt32, wait :Bool) -> (error :Error, page :EventPage);
  whoami @21 () -> (error :Error, who :WhoAmI);
}
