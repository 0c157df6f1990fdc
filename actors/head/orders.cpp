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

uint32_t processes_of(const ExperimentSpec& spec) {
  if (spec.workers.processes != 0) return spec.workers.processes;
  return std::max(1u, spec.resources.gpus);  // one process per GPU, one where there are none
}

Result<std::vector<Phase>> phases_of(const ExperimentRecord& record) {
  std::vector<Phase> phases;
  auto add = [&](const std::vector<Command>& commands, bool setup) -> Result<void> {
    for (const auto& command : commands) {
      auto filled = fill_placeholders(command, record.params);
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
  TROUPE_TRY(add(record.spec->run, false));
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
    auto filled = fill_text(text, record.params);
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
  return spec;
}

schedule::Request request_of(const ExperimentRecord& record) {
  const auto& spec = *record.spec;
  schedule::Request request;
  request.id = record.id;
  request.amount.milli_cpus = static_cast<int64_t>(std::llround(spec.resources.cpus * 1000));
  request.amount.mem = spec.resources.mem;
  request.amount.gpus = spec.resources.gpus;
  request.amount.gpu_share = spec.resources.gpu_share;
  request.gpu_type = spec.resources.gpu_type;
  request.gpu_mem = spec.resources.gpu_mem;
  request.labels = spec.resources.node_labels;
  request.preemptible = spec.preemptible;
  request.workers_min = spec.workers.min;
  request.workers_max = spec.workers.max;
  request.priority = spec.priority;
  request.user = record.user;
  request.project = spec.project;
  request.limit = spec.limits.running;
  for (const auto& mount : spec.data)
    if (!mount.digest.empty()) request.data.push_back({mount.digest, mount.source, 0});
  for (const auto& attempt : record.attempts)
    if (attempt.started && attempt.ended > attempt.started)
      request.service += schedule::service_rate(request.amount, attempt.jobs.size()) *
                         static_cast<uint64_t>((attempt.ended.us - attempt.started.us) / 1000);
  return request;
}

Result<std::vector<JobOrder>> orders_of(const ExperimentRecord& record, const std::string& token,
                                        Timestamp now) {
  auto phases = phases_of(record);
  if (!phases) return std::move(phases).error();
  auto env = environment_of(record);
  if (!env) return std::move(env).error();
  for (const auto& phase : *phases) TROUPE_TRY(check_exec_size(phase.argv, *env));
  const auto& spec = *record.spec;
  const auto& attempt = record.attempts.back();
  auto processes = processes_of(spec);
  auto nodes = static_cast<uint32_t>(attempt.jobs.size());
  std::vector<JobOrder> orders;
  for (const auto& job : attempt.jobs) {
    JobOrder order;
    order.key = JobKey{JobId{record.id, job.role, job.index}, attempt.epoch};
    order.attempt = attempt.number;
    order.phases = *phases;
    order.env = *env;
    order.processes = processes;
    order.first_rank = job.index * processes;
    order.world_size = nodes * processes;
    order.node_rank = job.index;
    order.nodes = nodes;
    order.master_addr = "127.0.0.1";
    // Below the kernel's own range for outgoing connections (32768 and up); spread by epoch, so
    // that experiments on one machine do not meet.
    order.master_port = static_cast<uint16_t>(20000 + attempt.epoch % 10000);
    order.gpus = job.gpus;
    order.milli_cpus = static_cast<int64_t>(std::llround(spec.resources.cpus * 1000));
    order.mem = spec.resources.mem;
    order.code_digest = spec.code_digest;
    for (const auto& mount : spec.data)
      order.data.push_back({mount.mount, mount.source, mount.digest, mount.writable});
    if (spec.mount_method) order.mount_method = to_string(*spec.mount_method);
    order.token = token;
    order.created_us = now.us;
    order.leased = spec.exclusive;
    order.patience_ms = spec.watchdog.patience.count();
    order.max_processes = spec.resources.max_processes;
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace troupe::actors
