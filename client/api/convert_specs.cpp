// What was asked for, as it is shown again: commands, resources, parameters, the search.
#include "client/api/convert.hpp"

namespace troupe::api {

namespace {

void set_commands(wire::Commands::Builder out, const std::vector<Command>& commands) {
  auto list = out.initList(static_cast<uint32_t>(commands.size()));
  for (uint32_t i = 0; i < commands.size(); ++i) {
    const auto& command = commands[i];
    if (command.argv.empty()) {
      list[i].setShell(to_text(command.shell));
      continue;
    }
    auto argv = list[i].initArgv(static_cast<uint32_t>(command.argv.size()));
    for (uint32_t w = 0; w < command.argv.size(); ++w) argv.set(w, to_text(command.argv[w]));
  }
}

void set_texts(wire::Texts::Builder out, const std::map<std::string, std::string>& texts) {
  auto entries = out.initEntries(static_cast<uint32_t>(texts.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : texts) {
    entries[i].setName(to_text(name));
    entries[i].setValue(to_text(value));
    ++i;
  }
}

void set_resources(wire::Resources::Builder out, const Resources& resources) {
  out.setCpus(resources.cpus);
  out.initMem().setBytes(resources.mem);
  out.setGpus(resources.gpus);
  out.setGpuType(to_text(resources.gpu_type));
  out.initShm().setBytes(resources.shm);
  out.setGpuShare(resources.gpu_share / 1000.0);
  out.initGpuMem().setBytes(resources.gpu_mem);
  out.setMaxProcesses(resources.max_processes);
  out.setBinding(to_text(resources.binding ? to_string(*resources.binding) : any_binding));
  set_texts(out.initNodeLabels(), resources.node_labels);
}

template <class Builder>
void set_any_spec(Builder out, const ExperimentSpec& spec) {
  out.setName(to_text(spec.name));
  out.setProject(to_text(spec.project));
  out.setTask(to_text(spec.task));
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
      roles[i].setName(to_text(spec.roles[i].name));
      roles[i].setCount(spec.roles[i].count);
      if (!spec.roles[i].run.empty()) set_commands(roles[i].initRun(), spec.roles[i].run);
      if (spec.roles[i].resources)
        set_resources(roles[i].initResources(), *spec.roles[i].resources);
    }
  }
  if (!spec.launch.contracts.empty()) {
    auto launch = out.initLaunch();
    set_strings(spec.launch.contracts, [&](auto count) { return launch.initContracts(count); });
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
    datasets[i].setSource(to_text(spec.data[i].source));
    datasets[i].setMount(to_text(spec.data[i].mount));
    datasets[i].setDigest(to_text(spec.data[i].digest));
    datasets[i].setWritable(spec.data[i].writable);
  }
  if (spec.mount_method) out.setMountMethod(to_text(to_string(*spec.mount_method)));
  auto code = out.initCode();
  code.setDigest(to_text(spec.code_digest));
  code.setGit(to_text(spec.code_git));
  set_texts(out.initEnv(), spec.env);
  set_texts(out.initLabels(), spec.labels);
  auto after = out.initAfter(static_cast<uint32_t>(spec.after.size()));
  for (uint32_t i = 0; i < spec.after.size(); ++i)
    set_text(to_string(spec.after[i]), [&](auto text) { after.set(i, text); });
}

}  // namespace

void set_spec(wire::Experiment::Builder out, const ExperimentSpec& spec) {
  set_any_spec(out, spec);
}

void set_spec(wire::ExperimentSet::Builder out, const ExperimentSpec& spec) {
  set_any_spec(out, spec);
}

void set_parameter(wire::Parameter::Builder out, const Parameter& parameter) {
  out.setName(to_text(parameter.name));
  if (!parameter.when.empty()) out.setWhen(to_text(parameter.when));
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
  out.setStrategy(to_text(sweep.strategy));
  if (sweep.seed) out.initSeed().setValue(*sweep.seed);
  if (sweep.trials) out.initTrials().setValue(static_cast<int64_t>(*sweep.trials));
  if (sweep.concurrency) {
    auto concurrency = out.initConcurrency();
    concurrency.setMost(*sweep.concurrency);
    concurrency.setSure(sweep.concurrency_sure.value_or(0));
  }
  if (sweep.metric) set_text(objectives_text(sweep), [&](auto text) { out.setMetric(text); });
  out.setStopWhen(to_text(sweep.stop_when));
  if (sweep.max_failures) out.initMaxFailures().setValue(*sweep.max_failures);
  out.setOnStop(sweep.kill_on_stop ? "kill" : "finish");
  if (sweep.early_stop.is_map()) set_values(out.initEarlyStop(), sweep.early_stop.as_map());
  auto enqueue = out.initEnqueue(static_cast<uint32_t>(sweep.enqueue.size()));
  for (uint32_t i = 0; i < sweep.enqueue.size(); ++i) set_values(enqueue[i], sweep.enqueue[i]);
  if (sweep.from) out.initFrom().setValue(static_cast<int64_t>(*sweep.from));
  out.setAsk(sweep.ask);
  set_strings(sweep.constraints, [&](auto count) { return out.initConstraints(count); });
  auto forbidden = out.initForbidden(static_cast<uint32_t>(sweep.forbidden.size()));
  for (uint32_t i = 0; i < sweep.forbidden.size(); ++i)
    set_values(forbidden[i], sweep.forbidden[i]);
}

}  // namespace troupe::api
