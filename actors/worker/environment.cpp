#include "actors/worker/environment.hpp"

#include "actors/worker/checkpoint_look.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/variable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace troupe::actors {

namespace {

std::string list_text(const std::vector<uint32_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

/// Put together the strongest first: what has a value keeps it. Some fifty short texts for each
/// process of each job, so no map is built of them.
class EnvironmentList {
 public:
  explicit EnvironmentList(size_t count) { list_.reserve(count); }
  void add(std::string_view name, std::string_view value) {
    auto is_it = [&](const std::string& entry) {
      return entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name);
    };
    if (std::any_of(list_.begin(), list_.end(), is_it)) return;
    auto& entry = list_.emplace_back();
    entry.reserve(name.size() + 1 + value.size());
    entry.append(name).append(1, '=').append(value);
  }
  void add(std::string_view name, uint64_t value) { add(name, fmt::format_int{value}.c_str()); }
  void add(const std::map<std::string, std::string>& values) {
    for (const auto& [name, value] : values) add(name, value);
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

void add_ranks(EnvironmentList& env, const JobOrder& order, uint32_t local_rank) {
  auto rank = order.first_rank + local_rank;
  env.add("RANK", rank);
  env.add("WORLD_SIZE", order.world_size);
  env.add("LOCAL_RANK", local_rank);
  env.add("LOCAL_WORLD_SIZE", order.processes);
  env.add("NODE_RANK", order.node_rank);
  env.add("GROUP_RANK", order.node_rank);
  env.add("MASTER_ADDR", order.master_addr);
  env.add("MASTER_PORT", order.master_port);
  // What torchrun gives its processes; frameworks recognise it by these.
  env.add("ROLE_RANK", rank);
  env.add("ROLE_WORLD_SIZE", order.world_size);
  env.add("ROLE_NAME", "default");
  env.add("GROUP_WORLD_SIZE", order.nodes);
  auto id = order.env.find("TROUPE_ID");
  env.add("TORCHELASTIC_RUN_ID", id == order.env.end() ? "" : id->second);
  env.add("TORCHELASTIC_RESTART_COUNT", order.attempt - 1);
  env.add("TORCHELASTIC_MAX_RESTARTS", "0");
  env.add("TROUPE_NODES", order.nodes);
  env.add("TROUPE_NODE_RANK", order.node_rank);
  env.add("TROUPE_GPUS_PER_NODE", order.gpus.size());
}

/// Ours comes last: whatever else is called `troupe` there goes first.
std::string python_path(const WorkerEnvironment& worker, const JobOrder& order) {
  auto given = order.env.find("PYTHONPATH");
  if (given == order.env.end()) {
    given = worker.base.find("PYTHONPATH");
    if (given == worker.base.end()) return worker.python;
  }
  return given->second.empty() ? worker.python : given->second + ":" + worker.python;
}

}  // namespace

std::vector<std::string> job_environment(const WorkerEnvironment& worker, const WorkerPaths& paths,
                                         const JobOrder& order, uint32_t slot, uint32_t local_rank,
                                         const std::string& resume) {
  constexpr size_t ours = 40;
  const auto& id = order.key.job;
  EnvironmentList env{ours + order.env.size() + worker.base.size()};
  add_ranks(env, order, local_rank);
  // An empty list hides all devices: a job that asked for none must not find one.
  env.add("CUDA_VISIBLE_DEVICES", list_text(order.gpus));
  env.add("TROUPE_TOKEN_FILE", paths.token(slot));
  if (!worker.url.empty()) env.add("TROUPE_URL", worker.url);
  constexpr auto grace = std::chrono::duration_cast<std::chrono::seconds>(limits::kill_grace);
  env.add("TROUPE_GRACE_S", static_cast<uint64_t>(grace.count()));
  env.add("TROUPE_STOP_FILE", paths.stop_file(slot));
  env.add("TROUPE_METRICS", paths.metrics(slot));
  auto scratch = paths.scratch(slot);
  env.add("TROUPE_SCRATCH", scratch);
  env.add("TMPDIR", scratch);
  env.add("TROUPE_DATA", order.data.empty() ? paths.no_data() : paths.data(slot));
  for (const auto& data : order.data) {
    if (data.mount == resume_mount) continue;
    auto name = variable_part(data.mount);
    env.add("TROUPE_DATA_" + name, paths.data(slot) + "/" + data.mount);
    env.add("TROUPE_RECORDS_" + name, paths.cache() + "/" + data.digest);
  }
  if (!resume.empty()) env.add("TROUPE_RESUME", resume);
  env.add("TROUPE_CHECKPOINTS", paths.checkpoints(id.experiment));
  env.add("TROUPE_OUTPUT", paths.output(id.experiment));
  env.add("TROUPE_JOB", to_string(id));
  if (!worker.python.empty()) env.add("PYTHONPATH", python_path(worker, order));
  env.add(order.env);
  env.add("PYTHONUNBUFFERED", "1");
  // Libraries that start a thread for each core of the machine would starve each other.
  auto threads = std::max<int64_t>(1, order.milli_cpus / 1000 / std::max(1u, order.processes));
  env.add("OMP_NUM_THREADS", static_cast<uint64_t>(threads));
  env.add(worker.base);
  return env.take();
}

std::string python_folder() {
  std::error_code code;
  auto program = std::filesystem::read_symlink("/proc/self/exe", code);
  for (const char* place : {"../python", "../lib/troupe/python"}) {
    auto folder = (program.parent_path() / place).lexically_normal();
    if (std::filesystem::exists(folder / "troupe" / "__init__.py", code)) return folder.string();
  }
  return {};
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
