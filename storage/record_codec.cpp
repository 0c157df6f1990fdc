#include "storage/record_codec.hpp"

#include "runtime/core/json.hpp"
#include "storage/attempt_codec.hpp"
#include "storage/row_parts.hpp"

#include <kj/io.h>

namespace troupe::storage {

namespace {

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
