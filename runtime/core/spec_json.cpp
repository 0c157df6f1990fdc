// Specs as canonical JSON values; read again in spec_read.cpp.
#include "runtime/core/spec.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe {

namespace {

Value command_value(const Command& command) {
  if (!command.argv.empty()) {
    ValueList words(command.argv.begin(), command.argv.end());
    return words;
  }
  return command.shell;
}

ValueList command_values(const std::vector<Command>& commands) {
  ValueList list;
  for (const auto& command : commands) list.push_back(command_value(command));
  return list;
}

ValueMap text_map(const std::map<std::string, std::string>& texts) {
  ValueMap map;
  for (const auto& [key, text] : texts) map.emplace(key, text);
  return map;
}

ValueMap resources_value(const Resources& r) {
  ValueMap map{{"cpus", r.cpus}};
  if (r.mem != 0) map.emplace("mem", r.mem);
  if (r.gpus != 0) map.emplace("gpus", r.gpus);
  if (r.gpu_share != Resources{}.gpu_share) map.emplace("gpu_share", r.gpu_share);
  if (!r.gpu_type.empty()) map.emplace("gpu_type", r.gpu_type);
  if (r.gpu_mem != 0) map.emplace("gpu_mem", r.gpu_mem);
  if (!r.node_labels.empty()) map.emplace("node_labels", text_map(r.node_labels));
  if (r.shm != 0) map.emplace("shm", r.shm);
  if (r.max_processes != 0) map.emplace("max_processes", r.max_processes);
  if (r.binding) map.emplace("binding", std::string{to_string(*r.binding)});
  return map;
}

Value parameter_value(const Parameter& parameter) {
  ValueMap map{{"name", parameter.name}};
  if (parameter.range) {
    ValueMap range{{"min", parameter.range->min}, {"max", parameter.range->max}};
    if (parameter.range->step) range.emplace("step", *parameter.range->step);
    if (parameter.range->count) range.emplace("count", *parameter.range->count);
    if (parameter.range->log) range.emplace("scale", "log");
    map.emplace("range", std::move(range));
  } else {
    map.emplace("choices", ValueList(parameter.choices));
  }
  if (!parameter.when.empty()) map.emplace("when", parameter.when);
  return map;
}

}  // namespace

Value to_value(const ExperimentSpec& spec) {
  const ExperimentSpec defaults;
  ValueMap map{{"project", spec.project}};
  auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) map.emplace(key, value);
  };
  text("name", spec.name);
  text("task", spec.task);
  text("code", spec.code_digest);
  text("git", spec.code_git);
  if (!spec.setup.empty()) map.emplace("setup", command_values(spec.setup));
  map.emplace("run", command_values(spec.run));
  if (spec.resources != defaults.resources)
    map.emplace("resources", resources_value(spec.resources));
  if (spec.workers != defaults.workers)
    map.emplace("workers",
                ValueMap{{"min", spec.workers.min},
                         {"max", spec.workers.max},
                         {"processes", spec.workers.processes},
                         {"resize_after_ms", int64_t{spec.workers.resize_after.count()}}});
  if (!spec.roles.empty()) {
    ValueList roles;
    for (const auto& role : spec.roles) {
      ValueMap item{{"name", role.name}, {"count", role.count}};
      if (!role.run.empty()) item.emplace("run", command_values(role.run));
      if (role.resources) item.emplace("resources", resources_value(*role.resources));
      roles.push_back(std::move(item));
    }
    map.emplace("roles", std::move(roles));
  }
  if (!spec.launch.contracts.empty())
    map.emplace("launch", ValueList(spec.launch.contracts.begin(), spec.launch.contracts.end()));
  if (!spec.data.empty()) {
    ValueList data;
    for (const auto& d : spec.data) {
      ValueMap item{{"source", d.source}, {"mount", d.mount}, {"digest", d.digest}};
      if (d.writable) item.emplace("writable", true);
      data.push_back(std::move(item));
    }
    map.emplace("data", std::move(data));
  }
  if (spec.mount_method) map.emplace("mount_method", std::string{to_string(*spec.mount_method)});
  if (!spec.parameters.empty()) {
    ValueList parameters;
    for (const auto& p : spec.parameters) parameters.push_back(parameter_value(p));
    map.emplace("parameters", std::move(parameters));
  }
  if (spec.limits.pending.count() != 0)
    map.emplace("pending_ms", int64_t{spec.limits.pending.count()});
  if (spec.limits.running.count() != 0)
    map.emplace("running_ms", int64_t{spec.limits.running.count()});
  if (spec.retry != defaults.retry)
    map.emplace("retry", ValueMap{{"count", spec.retry.count},
                                  {"backoff_ms", int64_t{spec.retry.backoff.count()}}});
  if (spec.watchdog != defaults.watchdog)
    map.emplace("watchdog", ValueMap{{"patience_ms", int64_t{spec.watchdog.patience.count()}},
                                     {"action", to_string(spec.watchdog.action)}});
  if (spec.checkpoints) {
    ValueMap rule{{"keep_last", spec.checkpoints->keep_last},
                  {"keep_best", spec.checkpoints->keep_best}};
    if (spec.checkpoints->metric) rule.emplace("metric", to_string(*spec.checkpoints->metric));
    if (spec.checkpoints->shards) rule.emplace("shards", true);
    map.emplace("checkpoints", std::move(rule));
  }
  if (spec.priority != defaults.priority) map.emplace("priority", int64_t{spec.priority});
  if (!spec.preemptible) map.emplace("preemptible", false);
  if (spec.exclusive) map.emplace("exclusive", true);
  if (!spec.receipt) map.emplace("receipt", false);
  if (!spec.env.empty()) map.emplace("env", text_map(spec.env));
  if (!spec.labels.empty()) map.emplace("labels", text_map(spec.labels));
  if (!spec.after.empty()) {
    ValueList after;
    for (auto id : spec.after) after.emplace_back(to_string(id));
    map.emplace("after", std::move(after));
  }
  if (spec.seed) map.emplace("seed", fmt::to_string(*spec.seed));
  return map;
}

Value to_value(const SweepSpec& sweep) {
  ValueMap map{{"strategy", sweep.strategy}};
  if (sweep.trials) map.emplace("trials", *sweep.trials);
  if (sweep.seed) map.emplace("seed", fmt::to_string(*sweep.seed));
  if (sweep.concurrency) map.emplace("concurrency", concurrency_value(sweep));
  if (sweep.metric) map.emplace("metric", objectives_text(sweep));
  if (!sweep.stop_when.empty()) map.emplace("stop_when", sweep.stop_when);
  if (sweep.max_failures) map.emplace("max_failures", *sweep.max_failures);
  if (!sweep.kill_on_stop) map.emplace("on_stop", "finish");
  if (!sweep.early_stop.is_null()) map.emplace("early_stop", sweep.early_stop);
  if (sweep.budget) map.emplace("budget", to_string(*sweep.budget));
  if (!sweep.points.empty()) {
    ValueList points;
    for (const auto& point : sweep.points)
      points.emplace_back(ValueMap(point.begin(), point.end()));
    map.emplace("points", std::move(points));
  }
  if (!sweep.enqueue.empty()) {
    ValueList points;
    for (const auto& point : sweep.enqueue)
      points.emplace_back(ValueMap(point.begin(), point.end()));
    map.emplace("enqueue", std::move(points));
  }
  if (sweep.from) map.emplace("from", *sweep.from);
  if (sweep.ask) map.emplace("ask", true);
  if (!sweep.constraints.empty())
    map.emplace("constraints", ValueList(sweep.constraints.begin(), sweep.constraints.end()));
  if (!sweep.forbidden.empty()) {
    ValueList forbidden;
    for (const auto& values : sweep.forbidden)
      forbidden.emplace_back(ValueMap(values.begin(), values.end()));
    map.emplace("forbidden", std::move(forbidden));
  }
  return map;
}

}  // namespace troupe
