#include "storage/record_codec.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>
#include <kj/io.h>

#include <cstring>

namespace troupe::storage {

namespace {

Error bad_row(std::string detail) {
  return Error{Errc::corrupt, "a stored record cannot be read", std::move(detail),
               "keep a copy of the ledger's folder and restore it from a backup"};
}

capnp::Text::Reader text(std::string_view bytes) {
  // Text wants a NUL behind its end, so a part of a longer text is no Text; all callers pass
  // strings.
  return {bytes.data(), bytes.size()};
}

std::string str(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

void fill(rows::Problem::Builder row, const Error& error) {
  row.setCode(static_cast<uint8_t>(error.code));
  row.setWhat(text(error.what));
  row.setDetail(text(error.detail));
  row.setHint(text(error.hint));
}

Error problem(rows::Problem::Reader row) {
  auto code = row.getCode();
  bool known =
      code >= static_cast<uint8_t>(Errc::invalid) && code <= static_cast<uint8_t>(Errc::bug);
  return {known ? static_cast<Errc>(code) : Errc::bug, str(row.getWhat()), str(row.getDetail()),
          str(row.getHint())};
}

void fill(rows::Scalar::Builder row, const Value& value) {
  if (value.is_bool())
    row.setBoolean(value.as_bool());
  else if (value.is_int())
    row.setInteger(value.as_int());
  else if (value.is_double())
    row.setNumber(value.as_number());
  else if (value.is_string())
    row.setText(text(value.as_string()));
  else if (!value.is_null())
    row.setJson(json_text(value));
}

Value scalar(rows::Scalar::Reader row) {
  switch (row.which()) {
    case rows::Scalar::BOOLEAN:
      return row.getBoolean();
    case rows::Scalar::INTEGER:
      return static_cast<int64_t>(row.getInteger());
    case rows::Scalar::NUMBER:
      return row.getNumber();
    case rows::Scalar::TEXT:
      return str(row.getText());
    case rows::Scalar::JSON:
      return parse_json(str(row.getJson())).value_or(Value{});
    default:
      return {};
  }
}

template <class List>
void fill_parameters(List list, const std::map<std::string, Value>& values) {
  unsigned i = 0;
  for (const auto& [name, value] : values) {
    auto row = list[i++];
    row.setName(text(name));
    fill(row.initValue(), value);
  }
}

std::map<std::string, Value> parameters(capnp::List<rows::Parameter>::Reader list) {
  std::map<std::string, Value> values;
  for (auto row : list)
    values.emplace_hint(values.end(), str(row.getName()), scalar(row.getValue()));
  return values;
}

State state_of(uint8_t number) {
  if (number < static_cast<uint8_t>(State::queued) ||
      number > static_cast<uint8_t>(State::restarting))
    throw std::out_of_range(fmt::format("state {}", number));
  return static_cast<State>(number);
}

void fill(rows::Binding::Builder row, const BindingRecord& binding) {
  row.setCpus(text(binding.cpus));
  row.setMemory(text(binding.memory));
  row.setOwn(binding.own);
  auto gpus = row.initGpus(static_cast<unsigned>(binding.gpus.size()));
  for (unsigned i = 0; i < gpus.size(); ++i) gpus.set(i, text(binding.gpus[i]));
  auto nics = row.initNics(static_cast<unsigned>(binding.nics.size()));
  for (unsigned i = 0; i < nics.size(); ++i) nics.set(i, text(binding.nics[i]));
  row.setNote(text(binding.note));
}

BindingRecord binding_record(rows::Binding::Reader row) {
  BindingRecord binding{str(row.getCpus()), str(row.getMemory()), row.getOwn(), {}, {},
                        str(row.getNote())};
  for (auto gpu : row.getGpus()) binding.gpus.push_back(str(gpu));
  for (auto nic : row.getNics()) binding.nics.push_back(str(nic));
  return binding;
}

void fill(rows::Job::Builder row, const JobRecord& job) {
  row.setRole(text(job.role));
  row.setIndex(job.index);
  row.setNode(text(job.node));
  row.setState(static_cast<uint8_t>(job.state));
  row.setHasExit(job.exit_code.has_value());
  row.setExit(job.exit_code.value_or(0));
  row.setHasSignal(job.signal.has_value());
  row.setSignal(job.signal.value_or(0));
  if (!job.gpus.empty()) {
    auto gpus = row.initGpus(static_cast<unsigned>(job.gpus.size()));
    for (unsigned i = 0; i < gpus.size(); ++i) gpus.set(i, job.gpus[i]);
  }
  row.setStarted(job.started.us);
  row.setEnded(job.ended.us);
  if (job.binding != BindingRecord{}) fill(row.initBinding(), job.binding);
  if (job.mounts.empty()) return;
  auto mounts = row.initMounts(static_cast<unsigned>(job.mounts.size()));
  for (unsigned i = 0; i < mounts.size(); ++i) {
    mounts[i].setMount(text(job.mounts[i].mount));
    mounts[i].setMethod(text(job.mounts[i].method));
    mounts[i].setPlace(text(job.mounts[i].place));
    mounts[i].setWritable(job.mounts[i].writable);
  }
}

JobRecord job_record(rows::Job::Reader row) {
  JobRecord job;
  job.role = str(row.getRole());
  job.index = row.getIndex();
  job.node = str(row.getNode());
  job.state = state_of(row.getState());
  if (row.getHasExit()) job.exit_code = row.getExit();
  if (row.getHasSignal()) job.signal = row.getSignal();
  for (auto gpu : row.getGpus()) job.gpus.push_back(gpu);
  job.started = {row.getStarted()};
  job.ended = {row.getEnded()};
  for (auto mount : row.getMounts())
    job.mounts.push_back({str(mount.getMount()), str(mount.getMethod()), str(mount.getPlace()),
                          mount.getWritable()});
  if (row.hasBinding()) job.binding = binding_record(row.getBinding());
  return job;
}

void fill(rows::Receipt::Builder row, const Receipt& receipt) {
  row.setTime(receipt.time.us);
  auto nodes = row.initNodes(static_cast<unsigned>(receipt.nodes.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) {
    nodes[i].setNode(text(receipt.nodes[i].node));
    nodes[i].setNext(text(receipt.nodes[i].next));
    nodes[i].setCopy(receipt.nodes[i].copy);
    nodes[i].setLink(receipt.nodes[i].link);
    nodes[i].setError(text(receipt.nodes[i].error));
    nodes[i].setTold(receipt.nodes[i].told);
  }
  row.setAllReduce(receipt.all_reduce);
  row.setLatency(receipt.latency_ns);
  row.setOf(text(receipt.of));
  auto notes = row.initNotes(static_cast<unsigned>(receipt.notes.size()));
  for (unsigned i = 0; i < notes.size(); ++i) notes.set(i, text(receipt.notes[i]));
}

Receipt receipt_of(rows::Receipt::Reader row) {
  Receipt receipt;
  receipt.time = {row.getTime()};
  for (auto node : row.getNodes())
    receipt.nodes.push_back({str(node.getNode()), str(node.getNext()), node.getCopy(),
                             node.getLink(), str(node.getError()), node.getTold()});
  receipt.all_reduce = row.getAllReduce();
  receipt.latency_ns = row.getLatency();
  receipt.of = str(row.getOf());
  for (auto note : row.getNotes()) receipt.notes.push_back(str(note));
  return receipt;
}

void fill(rows::Attempt::Builder row, const AttemptRecord& attempt) {
  row.setNumber(attempt.number);
  row.setEpoch(attempt.epoch);
  row.setState(static_cast<uint8_t>(attempt.state));
  row.setStarted(attempt.started.us);
  row.setEnded(attempt.ended.us);
  if (attempt.error) fill(row.initError(), *attempt.error);
  auto jobs = row.initJobs(static_cast<unsigned>(attempt.jobs.size()));
  for (unsigned i = 0; i < jobs.size(); ++i) fill(jobs[i], attempt.jobs[i]);
  if (!attempt.resumed.empty()) row.setResumed(text(attempt.resumed));
  row.setRunning(attempt.pace.running.us);
  row.setFirstReport(attempt.pace.first_report.us);
  row.setFirstStep(attempt.pace.first_step);
  row.setLastStep(attempt.pace.last_step);
  row.setFailed(attempt.pace.failed.us);
  row.setNoticed(attempt.pace.noticed.us);
  auto stragglers = row.initStragglers(static_cast<unsigned>(attempt.stragglers.size()));
  for (unsigned i = 0; i < stragglers.size(); ++i) {
    stragglers[i].setRank(attempt.stragglers[i].rank);
    stragglers[i].setNode(text(attempt.stragglers[i].node));
    stragglers[i].setLate(attempt.stragglers[i].late_us);
    stragglers[i].setShare(attempt.stragglers[i].share);
  }
  if (!attempt.receipt.nodes.empty()) fill(row.initReceipt(), attempt.receipt);
}

AttemptRecord attempt_record(rows::Attempt::Reader row) {
  AttemptRecord attempt;
  attempt.number = row.getNumber();
  attempt.epoch = row.getEpoch();
  attempt.state = state_of(row.getState());
  attempt.started = {row.getStarted()};
  attempt.ended = {row.getEnded()};
  if (row.hasError()) attempt.error = problem(row.getError());
  for (auto job : row.getJobs()) attempt.jobs.push_back(job_record(job));
  attempt.resumed = str(row.getResumed());
  attempt.pace = {{row.getRunning()}, {row.getFirstReport()}, row.getFirstStep(),
                  row.getLastStep(),  {row.getFailed()},      {row.getNoticed()}};
  for (auto one : row.getStragglers())
    attempt.stragglers.push_back(
        {one.getRank(), str(one.getNode()), one.getLate(), one.getShare()});
  if (row.hasReceipt()) attempt.receipt = receipt_of(row.getReceipt());
  return attempt;
}

void fill(rows::Checkpoint::Builder row, const CheckpointMark& mark) {
  row.setName(text(mark.name));
  row.setEpoch(mark.epoch);
  row.setAttempt(mark.attempt);
  row.setMade(mark.made.us);
  row.setNode(text(mark.node));
  row.setHasValue(mark.value.has_value());
  row.setValue(mark.value.value_or(0));
  auto parts = row.initParts(static_cast<uint32_t>(mark.parts.size()));
  for (uint32_t i = 0; i < mark.parts.size(); ++i) {
    parts[i].setNode(text(mark.parts[i].node));
    parts[i].setMade(mark.parts[i].made.us);
  }
}

CheckpointMark checkpoint_mark(rows::Checkpoint::Reader row) {
  CheckpointMark mark;
  mark.name = str(row.getName());
  mark.epoch = row.getEpoch();
  mark.attempt = row.getAttempt();
  mark.made = {row.getMade()};
  mark.node = str(row.getNode());
  if (row.getHasValue()) mark.value = row.getValue();
  for (auto part : row.getParts()) mark.parts.push_back({str(part.getNode()), {part.getMade()}});
  return mark;
}

/// KJ's exceptions end here.
template <class Row, class Use>
Result<void> with_row(std::string_view bytes, Use use) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return bad_row(fmt::format("{} bytes are no row", bytes.size()));
  try {
    std::array<capnp::word, 256> small;
    kj::Array<capnp::word> large;
    auto words = bytes.size() / sizeof(capnp::word);
    kj::ArrayPtr<capnp::word> aligned{small.data(), words};
    if (words > small.size()) {
      large = kj::heapArray<capnp::word>(words);
      aligned = large;
    }
    std::memcpy(aligned.begin(), bytes.data(), bytes.size());
    capnp::FlatArrayMessageReader message{aligned};
    use(message.getRoot<Row>());
    return ok();
  } catch (const kj::Exception& problem) {
    return bad_row(problem.getDescription().cStr());
  } catch (const std::exception& problem) {
    return bad_row(problem.what());
  }
}

template <class Row>
Result<RowHead> head(std::string_view bytes) {
  RowHead head;
  TROUPE_TRY(with_row<Row>(bytes, [&](typename Row::Reader row) {
    head = {state_of(row.getState()), str(row.getUser()), str(row.getProject())};
  }));
  return head;
}

}  // namespace

void RowBuilder::write(void* to, size_t size) {
  kj::ArrayOutputStream out{{static_cast<kj::byte*>(to), size}};
  capnp::writeMessage(out, message_);
}

void fill(rows::Experiment::Builder row, const ExperimentRecord& record, std::string_view project) {
  row.setState(static_cast<uint8_t>(record.state));
  row.setUser(text(record.user));
  row.setProject(text(project));
  fill_parameters(row.initParams(static_cast<unsigned>(record.params.size())), record.params);
  row.setReason(text(record.reason));
  if (record.error) fill(row.initError(), *record.error);
  row.setHasExit(record.exit_code.has_value());
  row.setExit(record.exit_code.value_or(0));
  row.setCreated(record.created.us);
  row.setQueued(record.queued.us);
  row.setStarted(record.started.us);
  row.setEnded(record.ended.us);
  auto attempts = row.initAttempts(static_cast<unsigned>(record.attempts.size()));
  for (unsigned i = 0; i < attempts.size(); ++i) fill(attempts[i], record.attempts[i]);
  auto metrics = row.initMetrics(static_cast<unsigned>(record.metrics.size()));
  unsigned i = 0;
  for (const auto& [name, value] : record.metrics) {
    auto metric = metrics[i++];
    metric.setName(text(name));
    metric.setValue(value);
    auto extremes = record.extremes.find(name);
    if (extremes == record.extremes.end()) continue;
    metric.setHasExtremes(true);
    metric.setMin(extremes->second.min);
    metric.setMax(extremes->second.max);
  }
  row.setRerunOf(text(record.rerun_of));
  row.setFailures(record.failures);
  row.setRestarts(record.restarts);
  row.setHangs(record.hangs);
  if (!record.stopped.empty()) row.setStopped(text(record.stopped));
  if (!record.paused.empty()) row.setPaused(text(record.paused));
  if (!record.preempted.empty()) row.setPreempted(text(record.preempted));
  row.setBranchedFrom(record.branched_from);
  if (record.checkpoints.empty()) return;
  auto checkpoints = row.initCheckpoints(static_cast<unsigned>(record.checkpoints.size()));
  for (i = 0; i < checkpoints.size(); ++i) fill(checkpoints[i], record.checkpoints[i].mark);
}

void fill(rows::Set::Builder row, const SetRecord& record, std::string_view project) {
  row.setState(static_cast<uint8_t>(record.state));
  row.setUser(text(record.user));
  row.setProject(text(project));
  row.setReason(text(record.reason));
  if (record.error) fill(row.initError(), *record.error);
  row.setCreated(record.created.us);
  row.setStarted(record.started.us);
  row.setEnded(record.ended.us);
  row.setSize(record.size);
  row.setNext(record.next);
  row.setFinished(record.finished);
  row.setFailed(record.failed);
  row.setKilled(record.killed);
  row.setHasBest(record.best_member.has_value());
  row.setBestMember(record.best_member.value_or(0));
  row.setBestValue(record.best_value);
  fill_parameters(row.initBestParams(static_cast<unsigned>(record.best_params.size())),
                  record.best_params);
  row.setRerunOf(text(record.rerun_of));
  row.setStopReason(text(record.stop_reason));
  row.setFailuresPassed(record.failures_passed);
  row.setStopped(record.stopped);
  if (!record.picked.empty()) row.setPicked(text(record.picked));
  if (!record.picked_reason.empty()) row.setPickedReason(text(record.picked_reason));
  if (record.submitted) row.setChanged(json_text(to_value(record.sweep)));
  row.setSpent(record.spent_us);
  if (record.front.empty()) return;
  auto front = row.initFront(static_cast<unsigned>(record.front.size()));
  for (unsigned i = 0; i < front.size(); ++i) front.set(i, record.front[i]);
}

void fill(rows::SearchPage::Builder row, const std::vector<SearchEntry>& entries) {
  auto list = row.initEntries(static_cast<unsigned>(entries.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const auto& entry = entries[i];
    auto out = list[i];
    out.setKind(static_cast<uint8_t>(entry.kind));
    out.setOutcome(static_cast<uint8_t>(entry.outcome));
    out.setTrial(entry.trial);
    out.setStep(entry.step);
    if (!entry.values.empty()) {
      auto values = out.initValues(static_cast<unsigned>(entry.values.size()));
      for (unsigned k = 0; k < values.size(); ++k) values.set(k, entry.values[k]);
    }
    if (!entry.params.empty())
      fill_parameters(out.initParams(static_cast<unsigned>(entry.params.size())), entry.params);
    if (!entry.note.empty()) out.setNote(text(entry.note));
  }
}

void fill(rows::Event::Builder row, const Event& event) {
  row.setTime(event.time.us);
  row.setKind(text(event.kind));
  row.setSubject(text(event.subject));
  row.setProject(text(event.project));
  row.setFrom(text(event.from));
  row.setTo(text(event.to));
  row.setCause(text(event.cause));
  if (event.error) fill(row.initError(), *event.error);
}

Result<RowHead> experiment_head(std::string_view bytes) {
  return head<rows::Experiment>(bytes);
}

Result<RowHead> set_head(std::string_view bytes) {
  return head<rows::Set>(bytes);
}

Result<ExperimentRecord> decode_experiment(std::string_view bytes, ExperimentId id) {
  ExperimentRecord record;
  record.id = id;
  TROUPE_TRY(with_row<rows::Experiment>(bytes, [&](rows::Experiment::Reader row) {
    record.state = state_of(row.getState());
    record.user = str(row.getUser());
    record.params = parameters(row.getParams());
    record.reason = str(row.getReason());
    if (row.hasError()) record.error = problem(row.getError());
    if (row.getHasExit()) record.exit_code = row.getExit();
    record.created = {row.getCreated()};
    record.queued = {row.getQueued()};
    record.started = {row.getStarted()};
    record.ended = {row.getEnded()};
    for (auto attempt : row.getAttempts()) record.attempts.push_back(attempt_record(attempt));
    for (auto metric : row.getMetrics()) {
      auto name = str(metric.getName());
      if (metric.getHasExtremes())
        record.extremes.emplace(name, Extremes{metric.getMin(), metric.getMax()});
      record.metrics.emplace(std::move(name), metric.getValue());
    }
    record.rerun_of = str(row.getRerunOf());
    record.failures = row.getFailures();
    record.restarts = row.getRestarts();
    record.hangs = row.getHangs();
    record.stopped = str(row.getStopped());
    record.paused = str(row.getPaused());
    record.preempted = str(row.getPreempted());
    record.branched_from = row.getBranchedFrom();
    for (auto one : row.getCheckpoints())
      record.checkpoints.push_back({checkpoint_mark(one), 0, {}, 0});
  }));
  return record;
}

Result<SetRecord> decode_set(std::string_view bytes, ExperimentId id) {
  SetRecord record;
  record.id = id;
  std::string changed;
  TROUPE_TRY(with_row<rows::Set>(bytes, [&](rows::Set::Reader row) {
    record.state = state_of(row.getState());
    record.user = str(row.getUser());
    record.reason = str(row.getReason());
    if (row.hasError()) record.error = problem(row.getError());
    record.created = {row.getCreated()};
    record.started = {row.getStarted()};
    record.ended = {row.getEnded()};
    record.size = row.getSize();
    record.next = row.getNext();
    record.finished = row.getFinished();
    record.failed = row.getFailed();
    record.killed = row.getKilled();
    if (row.getHasBest()) record.best_member = row.getBestMember();
    record.best_value = row.getBestValue();
    record.best_params = parameters(row.getBestParams());
    record.rerun_of = str(row.getRerunOf());
    record.stop_reason = str(row.getStopReason());
    record.failures_passed = row.getFailuresPassed();
    record.stopped = row.getStopped();
    record.picked = str(row.getPicked());
    record.picked_reason = str(row.getPickedReason());
    for (auto member : row.getFront()) record.front.push_back(member);
    record.spent_us = row.getSpent();
    changed = str(row.getChanged());
  }));
  if (changed.empty()) return record;
  auto value = parse_json(changed);
  if (!value) return bad_row(to_string(value.error()));
  auto sweep = sweep_spec_from(*value);
  if (!sweep) return bad_row(to_string(sweep.error()));
  record.submitted = std::make_shared<const SweepSpec>();  // which is kept beside it
  record.sweep = std::move(*sweep);
  return record;
}

Result<void> decode_search(std::string_view bytes, std::vector<SearchEntry>& to) {
  return with_row<rows::SearchPage>(bytes, [&](rows::SearchPage::Reader row) {
    for (auto in : row.getEntries()) {
      auto& entry = to.emplace_back();
      entry.kind = static_cast<SearchEntry::Kind>(in.getKind());
      entry.outcome = static_cast<SearchEntry::Outcome>(in.getOutcome());
      entry.trial = in.getTrial();
      entry.step = in.getStep();
      for (auto value : in.getValues()) entry.values.push_back(value);
      entry.params = parameters(in.getParams());
      entry.note = str(in.getNote());
    }
  });
}

Result<Event> decode_event(std::string_view bytes, uint64_t number) {
  Event event;
  event.number = number;
  TROUPE_TRY(with_row<rows::Event>(bytes, [&](rows::Event::Reader row) {
    event.time = {row.getTime()};
    event.kind = str(row.getKind());
    event.subject = str(row.getSubject());
    event.project = str(row.getProject());
    event.from = str(row.getFrom());
    event.to = str(row.getTo());
    event.cause = str(row.getCause());
    if (row.hasError()) event.error = problem(row.getError());
  }));
  return event;
}

Result<KeyRecord> decode_key(std::string_view bytes) {
  KeyRecord key;
  TROUPE_TRY(with_row<rows::Key>(bytes, [&](rows::Key::Reader row) {
    key = {{row.getTop(), row.getMember()}, row.getIsSet(), row.getSize()};
  }));
  return key;
}

void fill(rows::Dataset::Builder row, const DatasetVersion& version) {
  row.setDigest(version.digest);
  row.setBytes(version.bytes);
  row.setPayload(version.payload);
  row.setFiles(version.files);
  row.setRecords(version.records);
  row.setBlocks(version.blocks);
  row.setUser(version.user);
  row.setCreated(version.created.us);
  row.setSource(version.source);
  row.setFrom(version.from);
  if (version.checkpoint) fill(row.initCheckpoint(), *version.checkpoint);
}

Result<DatasetVersion> decode_dataset(std::string_view bytes, std::string_view name,
                                      uint32_t version) {
  DatasetVersion out;
  TROUPE_TRY(with_row<rows::Dataset>(bytes, [&](rows::Dataset::Reader row) {
    out.name = name;
    out.version = version;
    out.digest = str(row.getDigest());
    out.bytes = row.getBytes();
    out.payload = row.getPayload();
    out.files = row.getFiles();
    out.records = row.getRecords();
    out.blocks = row.getBlocks();
    out.user = str(row.getUser());
    out.created = {row.getCreated()};
    out.source = str(row.getSource());
    out.from = str(row.getFrom());
    if (row.hasCheckpoint()) out.checkpoint = checkpoint_mark(row.getCheckpoint());
  }));
  return out;
}

Result<PutToken> decode_token(std::string_view bytes, std::string_view sha256) {
  PutToken token;
  TROUPE_TRY(with_row<rows::Token>(bytes, [&](rows::Token::Reader row) {
    token = {std::string{sha256},
             str(row.getUser()),
             row.getAdmin(),
             str(row.getLabel()),
             {row.getExpires()}};
  }));
  return token;
}

Result<UserRecord> decode_user(std::string_view bytes) {
  UserRecord user;
  TROUPE_TRY(with_row<rows::User>(bytes, [&](rows::User::Reader row) {
    user = {row.getAdmin(), {row.getCreated()}};
  }));
  return user;
}

Result<SpecPair> decode_specs(std::string_view bytes) {
  std::string experiment, sweep;
  TROUPE_TRY(with_row<rows::Specs>(bytes, [&](rows::Specs::Reader row) {
    experiment = str(row.getExperiment());
    sweep = str(row.getSweep());
  }));
  SpecPair pair;
  auto value = parse_json(experiment);
  if (!value) return bad_row(to_string(value.error()));
  auto spec = experiment_spec_from(*value);
  if (!spec) return bad_row(to_string(spec.error()));
  pair.experiment = std::make_shared<const ExperimentSpec>(std::move(*spec));
  if (sweep.empty()) return pair;
  value = parse_json(sweep);
  if (!value) return bad_row(to_string(value.error()));
  auto parsed = sweep_spec_from(*value);
  if (!parsed) return bad_row(to_string(parsed.error()));
  pair.sweep = std::move(*parsed);
  return pair;
}

}  // namespace troupe::storage
