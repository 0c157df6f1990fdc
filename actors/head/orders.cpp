#include "actors/head/orders.hpp"

#include "runtime/core/exec_size.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/placeholder.hpp"
#include "runtime/core/variable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {

namespace {

schedule::Amount amount_of(const Resources& resources) {
  return {static_cast<int64_t>(std::llround(resources.cpus * 1000)), resources.mem, resources.gpus,
          resources.gpu_share};
}

/// Where all roles need the same, that is what its workers need; else each is a group.
void put_needs(const ExperimentSpec& spec, schedule::Request& request) {
  for (const auto& role : spec.roles) {
    const auto& needs = role.resources ? *role.resources : spec.resources;
    request.groups.push_back({role.name, role.count, amount_of(needs), needs.gpu_type,
                              needs.gpu_mem, needs.node_labels});
  }
  schedule::Group all{"",
                      1,
                      amount_of(spec.resources),
                      spec.resources.gpu_type,
                      spec.resources.gpu_mem,
                      spec.resources.node_labels};
  if (!request.groups.empty()) all = request.groups.front();
  bool alike = std::all_of(request.groups.begin(), request.groups.end(), [&](auto group) {
    group.role = all.role, group.count = all.count;
    return group == all;
  });
  if (!alike) return;
  request.groups.clear();
  request.amount = all.amount;
  request.gpu_type = all.gpu_type;
  request.gpu_mem = all.gpu_mem;
  request.labels = all.labels;
}

/// The lines of `run` for workers of that role.
const std::vector<Command>& run_of(const ExperimentSpec& spec, const std::string& role) {
  for (const auto& one : spec.roles)
    if (one.name == role && !one.run.empty()) return one.run;
  return spec.run;
}

/// In commands a parameter that is not active is an empty word.
std::map<std::string, Value> params_of(const ExperimentRecord& record) {
  auto params = record.params;
  for (const auto& parameter : record.spec->parameters)
    if (!parameter.when.empty()) params.try_emplace(parameter.name, "");
  return params;
}

Result<std::vector<Phase>> phases_of(const ExperimentRecord& record, const std::string& role) {
  std::vector<Phase> phases;
  auto add = [&](const std::vector<Command>& commands, bool setup) -> Result<void> {
    for (const auto& command : commands) {
      auto filled = fill_placeholders(command, params_of(record));
      if (!filled) return std::move(filled).error();
      Phase phase;
      phase.setup = setup;
      if (filled->argv.empty())
        phase.argv = {"/bin/sh", "-c", filled->shell};
      else
        phase.argv = filled->argv;
      phases.push_back(std::move(phase));
    }
    return ok();
  };
  TROUPE_TRY(add(record.spec->setup, true));
  TROUPE_TRY(add(run_of(*record.spec, role), false));
  return phases;
}

Result<std::map<std::string, std::string>> environment_of(const ExperimentRecord& record) {
  const auto& spec = *record.spec;
  std::map<std::string, std::string> env;
  env["TROUPE_CONTRACT"] = "1";
  env["TROUPE_ID"] = to_string(record.id);
  if (record.id.is_member()) {
    env["TROUPE_SET"] = to_string(record.id.parent());
    env["TROUPE_TRIAL"] = fmt::to_string(record.id.member);
  }
  env["TROUPE_PROJECT"] = spec.project;
  env["TROUPE_USER"] = record.user;
  env["TROUPE_ATTEMPT"] = fmt::to_string(record.attempts.back().number);
  env["TROUPE_PARAMS"] = json_text(ValueMap(record.params.begin(), record.params.end()));
  for (const auto& [name, value] : record.params) env[parameter_variable(name)] = value.to_text();
  if (spec.seed) env["TROUPE_SEED"] = fmt::to_string(*spec.seed);
  for (const auto& [name, text] : spec.env) {
    auto filled = fill_text(text, params_of(record));
    if (!filled) return std::move(filled).error();
    env[name] = std::move(*filled);
  }
  return env;
}

}  // namespace

std::string parameter_variable(std::string_view name) {
  return "TROUPE_P_" + variable_part(name);
}

schedule::NodeSpec node_spec_of(const NodeHello& hello, bool accepts) {
  schedule::NodeSpec spec;
  spec.name = hello.name;
  spec.milli_cpus = hello.milli_cpus;
  spec.mem = hello.mem;
  spec.gpus = hello.gpus;
  spec.gpu_type = hello.gpu_type;
  spec.gpu_mem = hello.gpu_mem;
  spec.labels = hello.labels;
  spec.accepts = accepts;
  for (const auto& device : hello.devices.devices)
    if (!device.closed.empty()) spec.gpus_closed.insert(device.index);
  if (hello.gpu_near.size() == size_t{hello.gpus} * hello.gpus) spec.gpu_near = hello.gpu_near;
  return spec;
}

schedule::Request request_of(const ExperimentRecord& record) {
  const auto& spec = *record.spec;
  schedule::Request request;
  request.id = record.id;
  put_needs(spec, request);
  request.preemptible = spec.preemptible;
  request.workers_min = spec.workers.min;
  request.workers_max = spec.workers.max;
  request.resize_after = spec.workers.resize_after;
  if (!record.attempts.empty())
    for (const auto& job : record.attempts.back().jobs) {
      if (request.nodes_before.size() <= job.index) request.nodes_before.resize(job.index + 1);
      request.nodes_before[job.index] = job.node;
    }
  request.priority = spec.priority;
  request.user = record.user;
  request.project = spec.project;
  request.limit = spec.limits.running;
  for (const auto& mount : spec.data)
    if (!mount.digest.empty()) request.data.push_back({mount.digest, mount.source, 0});
  for (const auto& attempt : record.attempts)
    if (attempt.started && attempt.ended > attempt.started)
      for (const auto& job : attempt.jobs)
        request.service += schedule::service_rate(request.amount_at(job.index), 1) *
                           static_cast<uint64_t>((attempt.ended.us - attempt.started.us) / 1000);
  return request;
}

Result<std::vector<JobOrder>> orders_of(const ExperimentRecord& record, const std::string& token,
                                        Timestamp now) {
  auto env = environment_of(record);
  if (!env) return std::move(env).error();
  const auto& spec = *record.spec;
  const auto& attempt = record.attempts.back();
  auto nodes = static_cast<uint32_t>(attempt.jobs.size());
  uint32_t ranks = 0;
  for (const auto& job : attempt.jobs) ranks += spec.processes_at(job.index);
  std::vector<JobOrder> orders;
  for (const auto& job : attempt.jobs) {
    JobOrder order;
    order.key = JobKey{JobId{record.id, job.role, job.index}, attempt.epoch};
    order.attempt = attempt.number;
    auto phases = phases_of(record, job.role);
    if (!phases) return std::move(phases).error();
    for (const auto& phase : *phases) TROUPE_TRY(check_exec_size(phase.argv, *env));
    order.phases = std::move(*phases);
    order.env = *env;
    const auto& resources = spec.resources_at(job.index);
    order.processes = spec.processes_at(job.index);
    for (uint32_t before = 0; before < job.index; ++before)
      order.first_rank += spec.processes_at(before);
    order.world_size = ranks;
    order.node_rank = job.index;
    order.nodes = nodes;
    for (const auto& one : attempt.jobs)
      order.hosts.push_back({one.node, {}, 0, spec.processes_at(one.index)});
    if (!spec.roles.empty())
      for (const auto& one : attempt.jobs) order.roles.push_back(one.role);
    order.contracts = spec.launch.contracts;
    order.gpus = job.gpus;
    order.milli_cpus = static_cast<int64_t>(std::llround(resources.cpus * 1000));
    order.mem = resources.mem;
    order.code_digest = spec.code_digest;
    for (const auto& mount : spec.data)
      order.data.push_back({mount.mount, mount.source, mount.digest, mount.writable});
    if (spec.mount_method) order.mount_method = to_string(*spec.mount_method);
    order.token = token;
    order.created_us = now.us;
    order.leased = spec.exclusive;
    order.patience_ms = spec.watchdog.patience.count();
    order.max_processes = resources.max_processes;
    if (resources.binding) order.binding = to_string(*resources.binding);
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace troupe::actors
