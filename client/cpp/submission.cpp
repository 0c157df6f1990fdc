// Submissions as the JSON of POST /api/v1/experiments and /api/v1/sets.
#include "client/cpp/client.hpp"

#include <fmt/format.h>

namespace troupe::client {

namespace {

ValueList commands(const std::vector<Command>& list) {
  ValueList out;
  for (const auto& command : list) {
    if (command.argv.empty())
      out.emplace_back(command.shell);
    else
      out.emplace_back(ValueList(command.argv.begin(), command.argv.end()));
  }
  return out;
}

ValueMap texts(const std::map<std::string, std::string>& map) {
  return ValueMap(map.begin(), map.end());
}

ValueMap range_value(const ParameterRange& range) {
  ValueMap out{{"min", range.min}, {"max", range.max}};
  if (range.step) out.emplace("step", *range.step);
  if (range.count) out.emplace("count", *range.count);
  if (range.log) out.emplace("scale", "log");
  return out;
}

ValueList parameters(const std::vector<Parameter>& list) {
  ValueList out;
  for (const auto& parameter : list) {
    ValueMap one{{"name", parameter.name}};
    if (parameter.range)
      one.emplace("range", range_value(*parameter.range));
    else if (parameter.is_constant())
      one.emplace("value", parameter.choices.front());
    else
      one.emplace("choices", ValueList(parameter.choices));
    if (!parameter.when.empty()) one.emplace("when", parameter.when);
    out.emplace_back(std::move(one));
  }
  return out;
}

ValueMap resources(const Resources& r) {
  return {{"cpus", r.cpus},
          {"mem", r.mem},
          {"gpus", r.gpus},
          {"gpu_share", r.gpu_share / 1000.0},
          {"gpu_type", r.gpu_type},
          {"gpu_mem", r.gpu_mem},
          {"node_labels", texts(r.node_labels)},
          {"shm", r.shm},
          {"binding", std::string{r.binding ? to_string(*r.binding) : any_binding}},
          {"max_processes", r.max_processes}};
}

}  // namespace

Value submission_value(const Submission& submission) {
  const auto& spec = submission.experiment;
  ValueMap out{{"project", spec.project}, {"run", commands(spec.run)}};
  if (!spec.name.empty()) out.emplace("name", spec.name);
  if (!spec.task.empty()) out.emplace("task", spec.task);
  if (!spec.setup.empty()) out.emplace("setup", commands(spec.setup));
  out.emplace("resources", resources(spec.resources));
  const auto& w = spec.workers;
  out.emplace("workers", ValueMap{{"min", w.min},
                                  {"max", w.max},
                                  {"processes", w.processes},
                                  {"resize_after", int64_t{w.resize_after.count()}}});
  if (!spec.roles.empty()) {
    ValueList roles;
    for (const auto& role : spec.roles) {
      ValueMap one{{"name", role.name}, {"count", role.count}};
      if (!role.run.empty()) one.emplace("run", commands(role.run));
      if (role.resources) one.emplace("resources", resources(*role.resources));
      roles.emplace_back(std::move(one));
    }
    out.emplace("roles", std::move(roles));
  }
  if (!spec.launch.contracts.empty()) {
    const auto& contracts = spec.launch.contracts;
    out.emplace("launch", ValueMap{{"contracts", ValueList(contracts.begin(), contracts.end())}});
  }
  ValueList data;
  for (const auto& mount : spec.data) {
    ValueMap item{{"source", mount.source}, {"mount", mount.mount}};
    if (mount.writable) item.emplace("writable", true);
    data.emplace_back(std::move(item));
  }
  if (!data.empty()) out.emplace("data", std::move(data));
  if (spec.mount_method) out.emplace("mount_method", std::string{to_string(*spec.mount_method)});
  if (!spec.parameters.empty()) out.emplace("parameters", parameters(spec.parameters));
  out.emplace("limits", ValueMap{{"pending", int64_t{spec.limits.pending.count()}},
                                 {"running", int64_t{spec.limits.running.count()}}});
  out.emplace("retry", ValueMap{{"count", spec.retry.count},
                                {"backoff", int64_t{spec.retry.backoff.count()}}});
  if (spec.watchdog != Watchdog{})
    out.emplace("watchdog", ValueMap{{"patience", int64_t{spec.watchdog.patience.count()}},
                                     {"action", to_string(spec.watchdog.action)}});
  if (spec.checkpoints) {
    ValueMap rule{{"keep_last", spec.checkpoints->keep_last},
                  {"keep_best", spec.checkpoints->keep_best}};
    if (spec.checkpoints->metric) rule.emplace("metric", to_string(*spec.checkpoints->metric));
    if (spec.checkpoints->shards) rule.emplace("shards", true);
    out.emplace("checkpoints", std::move(rule));
  }
  out.emplace("priority", int64_t{spec.priority});
  if (!spec.preemptible) out.emplace("preemptible", false);
  if (spec.exclusive) out.emplace("exclusive", true);
  if (!spec.receipt) out.emplace("receipt", false);
  if (!spec.env.empty()) out.emplace("env", texts(spec.env));
  if (!spec.labels.empty()) out.emplace("labels", texts(spec.labels));
  ValueList after;
  for (auto id : spec.after) after.emplace_back(to_string(id));
  if (!after.empty()) out.emplace("after", std::move(after));
  if (!spec.code_digest.empty())
    out.emplace("code", ValueMap{{"digest", spec.code_digest}, {"git", spec.code_git}});
  if (spec.seed) out.emplace("seed", fmt::to_string(*spec.seed));
  if (submission.sweep) out.emplace("sweep", to_value(*submission.sweep));
  return out;
}

}  // namespace troupe::client
