// What is known, as answers.
#include "client/api/convert.hpp"
#include "runtime/core/recovery.hpp"

namespace troupe::api {

namespace {

capnp::Text::Reader as_text(const std::string& text) {
  return {text.c_str(), text.size()};
}

/// Leaves null what has not happened yet.
template <class Set>
void set_time(Timestamp time, Set&& set) {
  if (time) set_text(rfc3339(time), set);
}

void set_commands(wire::Commands::Builder out, const std::vector<Command>& commands) {
  auto list = out.initList(static_cast<uint32_t>(commands.size()));
  for (uint32_t i = 0; i < commands.size(); ++i) {
    const auto& command = commands[i];
    if (command.argv.empty()) {
      list[i].setShell(as_text(command.shell));
      continue;
    }
    auto argv = list[i].initArgv(static_cast<uint32_t>(command.argv.size()));
    for (uint32_t w = 0; w < command.argv.size(); ++w) argv.set(w, as_text(command.argv[w]));
  }
}

void set_texts(wire::Texts::Builder out, const std::map<std::string, std::string>& texts) {
  auto entries = out.initEntries(static_cast<uint32_t>(texts.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : texts) {
    entries[i].setName(as_text(name));
    entries[i].setValue(as_text(value));
    ++i;
  }
}

void set_checkpoint(wire::Checkpoint::Builder out, const CheckpointRecord& checkpoint) {
  const auto& mark = checkpoint.mark;
  out.setName(as_text(mark.name));
  if (auto step = checkpoint_step(mark.name); step && *step <= INT64_MAX)
    out.initStep().setValue(static_cast<int64_t>(*step));
  out.setAttempt(mark.attempt);
  set_time(mark.made, [&](auto text) { out.setMade(text); });
  set_text(nodes_text(mark), [&](auto text) { out.setNode(text); });
  if (mark.value) out.initValue().setValue(*mark.value);
  out.setKept(checkpoint.version != 0);
  out.setVersion(checkpoint.version);
  out.setDigest(as_text(checkpoint.digest));
  out.setBytes(checkpoint.bytes);
}

void set_params(wire::Values::Builder out, const std::map<std::string, Value>& params) {
  auto entries = out.initEntries(static_cast<uint32_t>(params.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : params) {
    entries[i].setName(as_text(name));
    set_value(entries[i].initValue(), value);
    ++i;
  }
}

void set_binding(wire::JobBinding::Builder out, const BindingRecord& binding) {
  out.setCpus(as_text(binding.cpus));
  out.setMemory(as_text(binding.memory));
  out.setOwn(binding.own);
  auto gpus = out.initGpus(static_cast<uint32_t>(binding.gpus.size()));
  for (uint32_t i = 0; i < binding.gpus.size(); ++i) gpus.set(i, as_text(binding.gpus[i]));
  auto nics = out.initNics(static_cast<uint32_t>(binding.nics.size()));
  for (uint32_t i = 0; i < binding.nics.size(); ++i) nics.set(i, as_text(binding.nics[i]));
  if (!binding.note.empty()) out.setNote(as_text(binding.note));
}

void set_job(wire::Job::Builder out, ExperimentId id, const JobRecord& job) {
  set_text(to_string(JobId{id, job.role, job.index}), [&](auto text) { out.setId(text); });
  out.setNode(as_text(job.node));
  out.setState(to_text(to_string(job.state)));
  if (job.exit_code) out.initExitCode().setValue(*job.exit_code);
  if (job.signal) out.initSignal().setValue(*job.signal);
  auto gpus = out.initGpus(static_cast<uint32_t>(job.gpus.size()));
  for (uint32_t i = 0; i < job.gpus.size(); ++i) gpus.set(i, job.gpus[i]);
  set_time(job.started, [&](auto text) { out.setStarted(text); });
  set_time(job.ended, [&](auto text) { out.setEnded(text); });
  auto mounts = out.initMounts(static_cast<uint32_t>(job.mounts.size()));
  for (uint32_t i = 0; i < job.mounts.size(); ++i) {
    mounts[i].setMount(as_text(job.mounts[i].mount));
    mounts[i].setMethod(as_text(job.mounts[i].method));
    mounts[i].setPlace(as_text(job.mounts[i].place));
    mounts[i].setWritable(job.mounts[i].writable);
  }
  if (job.binding != BindingRecord{}) set_binding(out.initBinding(), job.binding);
}

void set_receipt(wire::Receipt::Builder out, const Receipt& receipt) {
  set_time(receipt.time, [&](auto text) { out.setTime(text); });
  auto nodes = out.initNodes(static_cast<uint32_t>(receipt.nodes.size()));
  for (uint32_t i = 0; i < receipt.nodes.size(); ++i) {
    const auto& node = receipt.nodes[i];
    nodes[i].setNode(as_text(node.node));
    nodes[i].setNext(as_text(node.next));
    if (node.copy != 0) nodes[i].initCopy().setValue(static_cast<double>(node.copy));
    if (node.link != 0) nodes[i].initLink().setValue(static_cast<double>(node.link));
    if (!node.error.empty()) nodes[i].setError(as_text(node.error));
  }
  if (receipt.all_reduce != 0)
    out.initAllReduce().setValue(static_cast<double>(receipt.all_reduce));
  if (receipt.latency_ns != 0)
    out.initLatency().setValue(static_cast<double>(receipt.latency_ns) / 1e9);
  if (!receipt.of.empty()) out.setOf(as_text(receipt.of));
  auto notes = out.initNotes(static_cast<uint32_t>(receipt.notes.size()));
  for (uint32_t i = 0; i < receipt.notes.size(); ++i) notes.set(i, as_text(receipt.notes[i]));
}

void set_attempt(wire::Attempt::Builder out, ExperimentId id, const AttemptRecord& attempt) {
  out.setNumber(attempt.number);
  out.setState(to_text(to_string(attempt.state)));
  set_time(attempt.started, [&](auto text) { out.setStarted(text); });
  set_time(attempt.ended, [&](auto text) { out.setEnded(text); });
  if (attempt.error) set_error(out.initError(), *attempt.error);
  out.setResumed(as_text(attempt.resumed));
  auto jobs = out.initJobs(static_cast<uint32_t>(attempt.jobs.size()));
  for (uint32_t i = 0; i < attempt.jobs.size(); ++i) set_job(jobs[i], id, attempt.jobs[i]);
  if (!attempt.receipt.nodes.empty()) set_receipt(out.initReceipt(), attempt.receipt);
}

void set_stragglers(wire::Experiment::Builder out, const std::vector<Straggler>& stragglers) {
  auto rows = out.initStragglers(static_cast<uint32_t>(stragglers.size()));
  for (uint32_t i = 0; i < stragglers.size(); ++i) {
    rows[i].setRank(stragglers[i].rank);
    rows[i].setNode(as_text(stragglers[i].node));
    set_text(late_text(stragglers[i]), [&](auto text) { rows[i].setLate(text); });
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

void set_resources(wire::Resources::Builder out, const Resources& resources) {
  out.setCpus(resources.cpus);
  out.initMem().setBytes(resources.mem);
  out.setGpus(resources.gpus);
  out.setGpuType(as_text(resources.gpu_type));
  out.initShm().setBytes(resources.shm);
  out.setGpuShare(resources.gpu_share / 1000.0);
  out.initGpuMem().setBytes(resources.gpu_mem);
  out.setMaxProcesses(resources.max_processes);
  out.setBinding(to_text(resources.binding ? to_string(*resources.binding) : any_binding));
  set_texts(out.initNodeLabels(), resources.node_labels);
}

/// What an experiment and a set show of their spec in the same way.
template <class Builder>
void set_spec(Builder out, const ExperimentSpec& spec) {
  out.setName(as_text(spec.name));
  out.setProject(as_text(spec.project));
  out.setTask(as_text(spec.task));
  set_commands(out.initCommand(), spec.run);
  set_commands(out.initSetup(), spec.setup);
  set_resources(out.initResources(), spec.resources);
  auto workers = out.initWorkers();
  workers.setMin(spec.workers.min);
  workers.setMax(spec.workers.max);
  workers.setProcesses(spec.workers.processes);
  workers.setResizeAfterMs(static_cast<uint64_t>(spec.workers.resize_after.count()));
  out.setProcesses(spec.workers.processes);
  out.setPriority(spec.priority);
  out.setPreemptible(spec.preemptible);
  out.setExclusive(spec.exclusive);
  out.setReceipt(spec.receipt);
  auto limits = out.initLimits();
  limits.initPending().setMs(static_cast<uint64_t>(spec.limits.pending.count()));
  limits.initRunning().setMs(static_cast<uint64_t>(spec.limits.running.count()));
  auto retry = out.initRetry();
  retry.setCount(spec.retry.count);
  retry.initBackoff().setMs(static_cast<uint64_t>(spec.retry.backoff.count()));
  auto watchdog = out.initWatchdog();
  watchdog.initPatience().setMs(static_cast<uint64_t>(spec.watchdog.patience.count()));
  watchdog.setAction(to_text(to_string(spec.watchdog.action)));
  if (!spec.roles.empty()) {
    auto roles = out.initRoles(static_cast<uint32_t>(spec.roles.size()));
    for (uint32_t i = 0; i < spec.roles.size(); ++i) {
      roles[i].setName(as_text(spec.roles[i].name));
      roles[i].setCount(spec.roles[i].count);
      if (!spec.roles[i].run.empty()) set_commands(roles[i].initRun(), spec.roles[i].run);
      if (spec.roles[i].resources)
        set_resources(roles[i].initResources(), *spec.roles[i].resources);
    }
  }
  if (!spec.launch.contracts.empty()) {
    auto names = static_cast<uint32_t>(spec.launch.contracts.size());
    auto contracts = out.initLaunch().initContracts(names);
    for (uint32_t i = 0; i < names; ++i) contracts.set(i, as_text(spec.launch.contracts[i]));
  }
  if (spec.checkpoints) {
    auto rule = out.initCheckpointRule();
    rule.setKeepLast(spec.checkpoints->keep_last);
    rule.setKeepBest(spec.checkpoints->keep_best);
    rule.setShards(spec.checkpoints->shards);
    if (spec.checkpoints->metric)
      set_text(to_string(*spec.checkpoints->metric), [&](auto text) { rule.setMetric(text); });
  }
  auto datasets = out.initDatasets(static_cast<uint32_t>(spec.data.size()));
  for (uint32_t i = 0; i < spec.data.size(); ++i) {
    datasets[i].setSource(as_text(spec.data[i].source));
    datasets[i].setMount(as_text(spec.data[i].mount));
    datasets[i].setDigest(as_text(spec.data[i].digest));
    datasets[i].setWritable(spec.data[i].writable);
  }
  if (spec.mount_method) out.setMountMethod(to_text(to_string(*spec.mount_method)));
  auto code = out.initCode();
  code.setDigest(as_text(spec.code_digest));
  code.setGit(as_text(spec.code_git));
  set_texts(out.initEnv(), spec.env);
  set_texts(out.initLabels(), spec.labels);
  auto after = out.initAfter(static_cast<uint32_t>(spec.after.size()));
  for (uint32_t i = 0; i < spec.after.size(); ++i)
    set_text(to_string(spec.after[i]), [&](auto text) { after.set(i, text); });
}

void set_parameter(wire::Parameter::Builder out, const Parameter& parameter) {
  out.setName(as_text(parameter.name));
  if (!parameter.when.empty()) out.setWhen(as_text(parameter.when));
  if (parameter.is_constant()) {
    set_value(out.initValue(), parameter.choices.front());
  } else if (!parameter.range) {
    auto choices = out.initChoices(static_cast<uint32_t>(parameter.choices.size()));
    for (uint32_t i = 0; i < parameter.choices.size(); ++i)
      set_value(choices[i], parameter.choices[i]);
  } else {
    auto range = out.initRange();
    set_value(range.initMin(), parameter.range->min);
    set_value(range.initMax(), parameter.range->max);
    if (parameter.range->step) set_value(range.initStep(), *parameter.range->step);
    if (parameter.range->count) range.initCount().setValue(*parameter.range->count);
    range.setScale(parameter.range->log ? "log" : "linear");
  }
}

void set_sweep(wire::ExperimentSet::Builder out, const SweepSpec& sweep) {
  out.setStrategy(as_text(sweep.strategy));
  if (sweep.seed) out.initSeed().setValue(*sweep.seed);
  if (sweep.trials) out.initTrials().setValue(static_cast<int64_t>(*sweep.trials));
  if (sweep.concurrency) {
    auto concurrency = out.initConcurrency();
    concurrency.setMost(*sweep.concurrency);
    concurrency.setSure(sweep.concurrency_sure.value_or(0));
  }
  if (sweep.metric) set_text(objectives_text(sweep), [&](auto text) { out.setMetric(text); });
  out.setStopWhen(as_text(sweep.stop_when));
  if (sweep.max_failures) out.initMaxFailures().setValue(*sweep.max_failures);
  out.setOnStop(sweep.kill_on_stop ? "kill" : "finish");
  if (sweep.early_stop.is_map()) set_values(out.initEarlyStop(), sweep.early_stop.as_map());
  auto enqueue = out.initEnqueue(static_cast<uint32_t>(sweep.enqueue.size()));
  for (uint32_t i = 0; i < sweep.enqueue.size(); ++i) set_params(enqueue[i], sweep.enqueue[i]);
  if (sweep.from) out.initFrom().setValue(static_cast<int64_t>(*sweep.from));
  out.setAsk(sweep.ask);
  auto constraints = out.initConstraints(static_cast<uint32_t>(sweep.constraints.size()));
  for (uint32_t i = 0; i < sweep.constraints.size(); ++i)
    constraints.set(i, as_text(sweep.constraints[i]));
  auto forbidden = out.initForbidden(static_cast<uint32_t>(sweep.forbidden.size()));
  for (uint32_t i = 0; i < sweep.forbidden.size(); ++i)
    set_params(forbidden[i], sweep.forbidden[i]);
}

void set_budget(wire::Budget::Builder out, const SetRecord& record) {
  const auto& budget = *record.sweep.budget;
  set_text(to_string(budget), [&](auto text) { out.setLimit(text); });
  auto counted = record.spec ? record.spec->resources : Resources{};
  for (const auto& role : record.spec ? record.spec->roles : std::vector<Role>{})
    if (role.resources && role.resources->gpus != 0) counted = *role.resources;
  std::string unit{budget.unit(counted)};
  out.setUnit(as_text(unit));
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
    set_params(member.initParams(), experiment->params);
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
  out.setMembersNextPageToken(as_text(listing.next_page_token));
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
    last[i].setName(as_text(name));
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
  out.setUser(as_text(record.user));
  out.setState(to_text(to_string(record.state)));
  out.setReason(as_text(record.reason));
  if (record.error) set_error(out.initError(), *record.error);
  set_params(out.initParams(), record.params);
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
  if (!record.rerun_of.empty()) out.setRerunOf(as_text(record.rerun_of));
  if (!record.stopped.empty()) out.setStopped(as_text(record.stopped));
  if (!record.paused.empty()) out.setPaused(as_text(record.paused));
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
    set_params(out.initParams(), constants);
  }
  out.setUser(as_text(record.user));
  out.setState(to_text(to_string(record.state)));
  out.setReason(as_text(record.reason));
  if (record.error) set_error(out.initError(), *record.error);
  set_time(record.created, [&](auto text) { out.setCreated(text); });
  set_time(record.created, [&](auto text) { out.setQueued(text); });
  set_time(record.started, [&](auto text) { out.setStarted(text); });
  set_time(record.ended, [&](auto text) { out.setEnded(text); });
  set_metrics(out.initMetrics(), {});
  if (!record.rerun_of.empty()) out.setRerunOf(as_text(record.rerun_of));
  set_sweep(out, record.sweep);
  if (record.sweep.budget) set_budget(out.initBudget(), record);
  out.setSize(record.size);
  out.setNext(record.next);
  auto counts = out.initCounts();
  counts.setFinished(record.finished);
  counts.setFailed(record.failed);
  counts.setKilled(record.killed);
  out.setStopped(record.stopped);
  if (!record.picked.empty()) out.setPicked(as_text(record.picked));
  if (!record.picked_reason.empty()) out.setPickedReason(as_text(record.picked_reason));
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
    set_params(best.initParams(), record.best_params);
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
  out.setNextPageToken(as_text(listing.next_page_token));
}

}  // namespace troupe::api
