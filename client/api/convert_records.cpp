// What is known, as answers.
#include "client/api/convert.hpp"
#include "runtime/core/recovery.hpp"

namespace troupe::api {

namespace {

/// Leaves null what has not happened yet.
template <class Set>
void set_time(Timestamp time, Set&& set) {
  if (time) set_text(rfc3339(time), set);
}

void set_checkpoint(wire::Checkpoint::Builder out, const CheckpointRecord& checkpoint) {
  const auto& mark = checkpoint.mark;
  out.setName(to_text(mark.name));
  if (auto step = checkpoint_step(mark.name); step && *step <= INT64_MAX)
    out.initStep().setValue(static_cast<int64_t>(*step));
  out.setAttempt(mark.attempt);
  set_time(mark.made, [&](auto text) { out.setMade(text); });
  set_text(nodes_text(mark), [&](auto text) { out.setNode(text); });
  if (mark.value) out.initValue().setValue(*mark.value);
  out.setKept(checkpoint.version != 0);
  out.setVersion(checkpoint.version);
  out.setDigest(to_text(checkpoint.digest));
  out.setBytes(checkpoint.bytes);
}

void set_binding(wire::JobBinding::Builder out, const BindingRecord& binding) {
  out.setCpus(to_text(binding.cpus));
  out.setMemory(to_text(binding.memory));
  out.setOwn(binding.own);
  set_strings(binding.gpus, [&](auto count) { return out.initGpus(count); });
  set_strings(binding.nics, [&](auto count) { return out.initNics(count); });
  if (!binding.note.empty()) out.setNote(to_text(binding.note));
}

void set_job(wire::Job::Builder out, ExperimentId id, const JobRecord& job) {
  set_text(to_string(JobId{id, job.role, job.index}), [&](auto text) { out.setId(text); });
  out.setNode(to_text(job.node));
  out.setState(to_text(to_string(job.state)));
  if (job.exit_code) out.initExitCode().setValue(*job.exit_code);
  if (job.signal) out.initSignal().setValue(*job.signal);
  auto gpus = out.initGpus(static_cast<uint32_t>(job.gpus.size()));
  for (uint32_t i = 0; i < job.gpus.size(); ++i) gpus.set(i, job.gpus[i]);
  set_time(job.started, [&](auto text) { out.setStarted(text); });
  set_time(job.ended, [&](auto text) { out.setEnded(text); });
  auto mounts = out.initMounts(static_cast<uint32_t>(job.mounts.size()));
  for (uint32_t i = 0; i < job.mounts.size(); ++i) {
    mounts[i].setMount(to_text(job.mounts[i].mount));
    mounts[i].setMethod(to_text(job.mounts[i].method));
    mounts[i].setPlace(to_text(job.mounts[i].place));
    mounts[i].setWritable(job.mounts[i].writable);
  }
  if (job.binding != BindingRecord{}) set_binding(out.initBinding(), job.binding);
}

void set_receipt(wire::Receipt::Builder out, const Receipt& receipt) {
  set_time(receipt.time, [&](auto text) { out.setTime(text); });
  auto nodes = out.initNodes(static_cast<uint32_t>(receipt.nodes.size()));
  for (uint32_t i = 0; i < receipt.nodes.size(); ++i) {
    const auto& node = receipt.nodes[i];
    nodes[i].setNode(to_text(node.node));
    nodes[i].setNext(to_text(node.next));
    if (node.copy != 0) nodes[i].initCopy().setValue(static_cast<double>(node.copy));
    if (node.link != 0) nodes[i].initLink().setValue(static_cast<double>(node.link));
    if (!node.error.empty()) nodes[i].setError(to_text(node.error));
  }
  if (receipt.all_reduce != 0)
    out.initAllReduce().setValue(static_cast<double>(receipt.all_reduce));
  if (receipt.latency_ns != 0)
    out.initLatency().setValue(static_cast<double>(receipt.latency_ns) / 1e9);
  if (!receipt.of.empty()) out.setOf(to_text(receipt.of));
  set_strings(receipt.notes, [&](auto count) { return out.initNotes(count); });
}

void set_attempt(wire::Attempt::Builder out, ExperimentId id, const AttemptRecord& attempt) {
  out.setNumber(attempt.number);
  out.setState(to_text(to_string(attempt.state)));
  set_time(attempt.started, [&](auto text) { out.setStarted(text); });
  set_time(attempt.ended, [&](auto text) { out.setEnded(text); });
  if (attempt.error) set_error(out.initError(), *attempt.error);
  out.setResumed(to_text(attempt.resumed));
  auto jobs = out.initJobs(static_cast<uint32_t>(attempt.jobs.size()));
  for (uint32_t i = 0; i < attempt.jobs.size(); ++i) set_job(jobs[i], id, attempt.jobs[i]);
  if (!attempt.receipt.nodes.empty()) set_receipt(out.initReceipt(), attempt.receipt);
}

void set_stragglers(wire::Experiment::Builder out, const std::vector<Straggler>& stragglers) {
  auto rows = out.initStragglers(static_cast<uint32_t>(stragglers.size()));
  for (uint32_t i = 0; i < stragglers.size(); ++i) {
    rows[i].setRank(stragglers[i].rank);
    rows[i].setNode(to_text(stragglers[i].node));
    if (auto late = late_text(stragglers[i]); !late.empty())
      set_text(late, [&](auto text) { rows[i].setLate(text); });
    rows[i].setShare(stragglers[i].share);
  }
}

void set_recovery(wire::Recovery::Builder out, const Recovery& recovery) {
  auto seconds = [](const std::optional<Duration>& time, auto set) {
    if (time) set().setValue(std::chrono::duration<double>{*time}.count());
  };
  if (recovery.lost_steps) out.initLostSteps().setValue(*recovery.lost_steps);
  seconds(recovery.detection, [&] { return out.initDetection(); });
  seconds(recovery.rebuild, [&] { return out.initRebuild(); });
  seconds(recovery.warm_up, [&] { return out.initWarmUp(); });
}

void set_budget(wire::Budget::Builder out, const SetRecord& record) {
  const auto& budget = *record.sweep.budget;
  set_text(to_string(budget), [&](auto text) { out.setLimit(text); });
  auto counted = record.spec ? record.spec->resources : Resources{};
  for (const auto& role : record.spec ? record.spec->roles : std::vector<Role>{})
    if (role.resources && role.resources->gpus != 0) counted = *role.resources;
  std::string unit{budget.unit(counted)};
  out.setUnit(to_text(unit));
  constexpr double hour_us = 3.6e9;
  auto spent = static_cast<double>(record.spent_us);
  auto amount = static_cast<double>(budget.amount_us);
  out.setAmount(amount / hour_us);
  out.setSpent(spent / hour_us);
  out.setLeft(std::max(amount - spent, 0.0) / hour_us);
}

void set_members(wire::ExperimentSet::Builder out, const SetRecord& record,
                 const Listing& listing) {
  auto members = out.initMembers(static_cast<uint32_t>(listing.entries.size()));
  uint32_t i = 0;
  for (const auto& entry : listing.entries) {
    auto member = members[i++];
    const auto* experiment = std::get_if<ExperimentRecord>(&entry);
    if (experiment == nullptr) continue;
    set_text(to_string(experiment->id), [&](auto text) { member.setId(text); });
    member.setState(to_text(to_string(experiment->state)));
    set_values(member.initParams(), experiment->params);
    if (!record.sweep.metric) continue;
    const auto& [maximize, name] = *record.sweep.metric;
    auto last = experiment->metrics.find(name);
    if (last == experiment->metrics.end()) continue;
    member.initLast().setValue(last->second);
    auto extremes = experiment->extremes.find(name);
    auto value = last->second;  // of records that are older than their extremes
    if (extremes != experiment->extremes.end())
      value = maximize ? extremes->second.max : extremes->second.min;
    member.initValue().setValue(value);
  }
  out.setMembersNextPageToken(to_text(listing.next_page_token));
}

ValueMap best_values(const ExperimentRecord& record) {
  ValueMap best;
  for (const auto& [name, extremes] : record.extremes)
    best.emplace(name, ValueMap{{"min", extremes.min}, {"max", extremes.max}});
  return best;
}

void set_metrics(wire::MetricSummary::Builder out, const std::map<std::string, double>& metrics) {
  auto last = out.initLast().initEntries(static_cast<uint32_t>(metrics.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : metrics) {
    last[i].setName(to_text(name));
    last[i].setValue(value);
    ++i;
  }
}

}  // namespace

void set_experiment(wire::Experiment::Builder out, const ExperimentRecord& record) {
  out.setKind("experiment");
  set_text(to_string(record.id), [&](auto text) { out.setId(text); });
  if (record.id.is_member())
    set_text(to_string(record.id.parent()), [&](auto text) { out.setSet(text); });
  if (record.spec) {
    set_spec(out, *record.spec);
    if (record.spec->seed) out.initSeed().setValue(*record.spec->seed);
  }
  out.setUser(to_text(record.user));
  out.setState(to_text(to_string(record.state)));
  out.setReason(to_text(record.reason));
  if (record.error) set_error(out.initError(), *record.error);
  set_values(out.initParams(), record.params);
  set_time(record.created, [&](auto text) { out.setCreated(text); });
  set_time(record.queued, [&](auto text) { out.setQueued(text); });
  set_time(record.started, [&](auto text) { out.setStarted(text); });
  set_time(record.ended, [&](auto text) { out.setEnded(text); });
  if (record.exit_code) out.initExitCode().setValue(*record.exit_code);
  auto attempts = out.initAttempts(static_cast<uint32_t>(record.attempts.size()));
  for (uint32_t i = 0; i < record.attempts.size(); ++i)
    set_attempt(attempts[i], record.id, record.attempts[i]);
  for (uint32_t i = 1; i < record.attempts.size(); ++i)
    if (auto cost = recovery_of(record.attempts[i - 1], record.attempts[i]))
      set_recovery(attempts[i].initRecovery(), *cost);
  if (!record.attempts.empty()) {
    const auto& newest = record.attempts.back().jobs;
    auto jobs = out.initJobs(static_cast<uint32_t>(newest.size()));
    for (uint32_t i = 0; i < newest.size(); ++i) set_job(jobs[i], record.id, newest[i]);
  }
  if (!record.attempts.empty()) set_stragglers(out, record.attempts.back().stragglers);
  auto checkpoints = out.initCheckpoints(static_cast<uint32_t>(record.checkpoints.size()));
  for (uint32_t i = 0; i < record.checkpoints.size(); ++i)
    set_checkpoint(checkpoints[i], record.checkpoints[i]);
  set_metrics(out.initMetrics(), record.metrics);
  set_values(out.initBest(), best_values(record));
  if (!record.rerun_of.empty()) out.setRerunOf(to_text(record.rerun_of));
  if (!record.stopped.empty()) out.setStopped(to_text(record.stopped));
  if (!record.paused.empty()) out.setPaused(to_text(record.paused));
  if (record.branched_from != 0)
    set_text(to_string(ExperimentId{record.id.top, record.branched_from}),
             [&](auto text) { out.setBranchedFrom(text); });
}

void set_set(wire::ExperimentSet::Builder out, const SetRecord& record, const Listing* members) {
  out.setKind("set");
  set_text(to_string(record.id), [&](auto text) { out.setId(text); });
  if (record.spec) {
    const auto& spec = *record.spec;
    set_spec(out, spec);
    std::map<std::string, Value> constants;
    auto parameters = out.initParameters(static_cast<uint32_t>(spec.parameters.size()));
    for (uint32_t i = 0; i < spec.parameters.size(); ++i) {
      const auto& parameter = spec.parameters[i];
      set_parameter(parameters[i], parameter);
      if (parameter.is_constant()) constants.emplace(parameter.name, parameter.choices.front());
    }
    set_values(out.initParams(), constants);
  }
  out.setUser(to_text(record.user));
  out.setState(to_text(to_string(record.state)));
  out.setReason(to_text(record.reason));
  if (record.error) set_error(out.initError(), *record.error);
  set_time(record.created, [&](auto text) { out.setCreated(text); });
  set_time(record.created, [&](auto text) { out.setQueued(text); });
  set_time(record.started, [&](auto text) { out.setStarted(text); });
  set_time(record.ended, [&](auto text) { out.setEnded(text); });
  set_metrics(out.initMetrics(), {});
  if (!record.rerun_of.empty()) out.setRerunOf(to_text(record.rerun_of));
  set_sweep(out, record.sweep);
  if (record.sweep.budget) set_budget(out.initBudget(), record);
  out.setSize(record.size);
  out.setNext(record.next);
  auto counts = out.initCounts();
  counts.setFinished(record.finished);
  counts.setFailed(record.failed);
  counts.setKilled(record.killed);
  out.setStopped(record.stopped);
  if (!record.picked.empty()) out.setPicked(to_text(record.picked));
  if (!record.picked_reason.empty()) out.setPickedReason(to_text(record.picked_reason));
  auto front = out.initFront(static_cast<uint32_t>(record.front.size()));
  for (uint32_t i = 0; i < record.front.size(); ++i)
    set_text(to_string(ExperimentId{record.id.top, record.front[i]}),
             [&](auto text) { front.set(i, text); });
  out.setMembersNextPageToken("");
  if (members != nullptr) set_members(out, record, *members);
  if (record.best_member) {
    auto best = out.initBest();
    set_text(to_string(ExperimentId{record.id.top, *record.best_member}),
             [&](auto text) { best.setId(text); });
    set_values(best.initParams(), record.best_params);
    best.initValue().setValue(record.best_value);
  }
}

void set_entry(wire::Entry::Builder out, const Entry& entry, const Listing* members) {
  if (const auto* experiment = std::get_if<ExperimentRecord>(&entry))
    set_experiment(out.initExperiment(), *experiment);
  else
    set_set(out.initSet(), std::get<SetRecord>(entry), members);
}

void set_listing(wire::Listing::Builder out, const Listing& listing) {
  auto list = out.initExperiments(static_cast<uint32_t>(listing.entries.size()));
  for (uint32_t i = 0; i < listing.entries.size(); ++i) set_entry(list[i], listing.entries[i]);
  out.setNextPageToken(to_text(listing.next_page_token));
}

}  // namespace troupe::api
