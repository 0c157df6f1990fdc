#include "actors/worker/environment.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace troupe::actors {

namespace {

std::string list_text(const std::vector<uint32_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

void add_ranks(std::map<std::string, std::string>& env, const JobOrder& order,
               uint32_t local_rank) {
  auto rank = order.first_rank + local_rank;
  env["RANK"] = fmt::to_string(rank);
  env["WORLD_SIZE"] = fmt::to_string(order.world_size);
  env["LOCAL_RANK"] = fmt::to_string(local_rank);
  env["LOCAL_WORLD_SIZE"] = fmt::to_string(order.processes);
  env["NODE_RANK"] = env["GROUP_RANK"] = fmt::to_string(order.node_rank);
  env["MASTER_ADDR"] = order.master_addr;
  env["MASTER_PORT"] = fmt::to_string(order.master_port);
  // What torchrun gives its processes; frameworks recognise it by these.
  env["ROLE_RANK"] = env["RANK"];
  env["ROLE_WORLD_SIZE"] = env["WORLD_SIZE"];
  env["ROLE_NAME"] = "default";
  env["GROUP_WORLD_SIZE"] = fmt::to_string(order.nodes);
  env["TORCHELASTIC_RUN_ID"] = env["TROUPE_ID"];
  env["TORCHELASTIC_RESTART_COUNT"] = fmt::to_string(order.attempt - 1);
  env["TORCHELASTIC_MAX_RESTARTS"] = "0";
  env["TROUPE_NODES"] = fmt::to_string(order.nodes);
  env["TROUPE_NODE_RANK"] = fmt::to_string(order.node_rank);
  env["TROUPE_GPUS_PER_NODE"] = fmt::to_string(order.gpus.size());
}

}  // namespace

std::vector<std::string> job_environment(const WorkerEnvironment& worker, const WorkerPaths& paths,
                                         const JobOrder& order, uint32_t slot, uint32_t local_rank,
                                         const std::string& resume) {
  const auto& id = order.key.job;
  auto env = worker.base;
  // Libraries that start a thread for each core of the machine would starve each other.
  auto threads = std::max<int64_t>(1, order.milli_cpus / 1000 / std::max(1u, order.processes));
  env["OMP_NUM_THREADS"] = fmt::to_string(threads);
  env["PYTHONUNBUFFERED"] = "1";
  for (const auto& [name, value] : order.env) env[name] = value;
  env["TROUPE_JOB"] = to_string(id);
  env["TROUPE_OUTPUT"] = paths.output(id.experiment);
  env["TROUPE_CHECKPOINTS"] = paths.checkpoints(id.experiment);
  if (!resume.empty()) env["TROUPE_RESUME"] = resume;
  env["TROUPE_DATA"] = paths.no_data();
  env["TROUPE_SCRATCH"] = env["TMPDIR"] = paths.scratch(slot);
  env["TROUPE_METRICS"] = paths.metrics(slot);
  env["TROUPE_STOP_FILE"] = paths.stop_file(slot);
  env["TROUPE_GRACE_S"] =
      fmt::to_string(std::chrono::duration_cast<std::chrono::seconds>(limits::kill_grace).count());
  if (!worker.url.empty()) env["TROUPE_URL"] = worker.url;
  env["TROUPE_TOKEN_FILE"] = paths.token(slot);
  // An empty list hides all devices: a job that asked for none must not find one.
  env["CUDA_VISIBLE_DEVICES"] = list_text(order.gpus);
  add_ranks(env, order, local_rank);
  std::vector<std::string> list;
  list.reserve(env.size());
  for (const auto& [name, value] : env) list.push_back(name + "=" + value);
  return list;
}

std::map<std::string, std::string> inherited_environment() {
  std::map<std::string, std::string> env;
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE",
                           "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH"})
    if (const char* value = std::getenv(name); value != nullptr) env[name] = value;
  if (!env.contains("PATH"))
    env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return env;
}

}  // namespace troupe::actors
