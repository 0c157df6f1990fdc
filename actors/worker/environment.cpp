#include "actors/worker/environment.hpp"

#include "actors/worker/checkpoint_look.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/variable.hpp"
#include "runtime/topology/numbers.hpp"

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

std::string visible_devices(const JobOrder& order) {
  const auto& names = order.bound.gpus;
  bool named = names.size() == order.gpus.size() &&
               std::all_of(names.begin(), names.end(),
                           [](const auto& name) { return name.starts_with("GPU-"); });
  return named ? fmt::format("{}", fmt::join(names, ",")) : list_text(order.gpus);
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
  template <class Values>
  void add(const Values& values) {
    for (const auto& [name, value] : values) add(name, value);
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

/// Ours comes last: whatever else is called `troupe` there goes first.
std::string python_path(const WorkerEnvironment& worker, const JobOrder& order) {
  auto given = order.env.find("PYTHONPATH");
  if (given == order.env.end()) {
    given = worker.base.find("PYTHONPATH");
    if (given == worker.base.end()) return worker.python;
  }
  return given->second.empty() ? worker.python : given->second + ":" + worker.python;
}

uint32_t cpus_of_process(const JobOrder& order) {
  auto cpus = order.milli_cpus / 1000;
  if (auto own = topology::parse_numbers(order.bound.cpus); order.bound.own && own)
    cpus = static_cast<int64_t>(own->size());
  return static_cast<uint32_t>(std::max<int64_t>(1, cpus / std::max(1u, order.processes)));
}

}  // namespace

launch::World world_of(const WorkerEnvironment& worker, const WorkerPaths& paths,
                       const JobOrder& order, uint32_t slot) {
  launch::World world;
  auto id = order.key.job.experiment;
  world.id = to_string(id);
  world.number = id.top;
  world.attempt = order.attempt;
  for (const auto& host : order.hosts)
    world.hosts.push_back({host.node, host.address, host.first_port, host.processes});
  if (world.hosts.size() <= order.node_rank) world.hosts.resize(order.node_rank + 1);
  world.hosts[order.node_rank].processes = order.processes;
  world.roles = order.roles;
  world.contracts = order.contracts;
  world.job = order.node_rank;
  world.gpus = static_cast<uint32_t>(order.gpus.size());
  world.cpus = cpus_of_process(order);
  world.interface = worker.interface;
  world.hostfile = world.size() > 1 ? paths.hostfile(slot) : paths.lone_hostfile();
  return world;
}

std::vector<std::string> job_environment(const WorkerEnvironment& worker, const WorkerPaths& paths,
                                         const JobOrder& order, uint32_t slot, uint32_t local_rank,
                                         const std::string& resume) {
  constexpr size_t ours = 70;
  const auto& id = order.key.job;
  EnvironmentList env{ours + order.env.size() + worker.base.size()};
  auto world = launch::environment_of(world_of(worker, paths, order, slot), local_rank);
  env.add(world.fixed);
  // An empty list hides all devices: a job that asked for none must not find one.
  // By name where the names are known: CUDA may count in another order than the driver.
  env.add("CUDA_VISIBLE_DEVICES", visible_devices(order));
  env.add("TROUPE_TOKEN_FILE", paths.token(slot));
  if (!worker.url.empty()) env.add("TROUPE_URL", worker.url);
  constexpr auto grace = std::chrono::duration_cast<std::chrono::seconds>(limits::kill_grace);
  env.add("TROUPE_GRACE_S", static_cast<uint64_t>(grace.count()));
  env.add("TROUPE_STOP_FILE", paths.stop_file(slot));
  env.add("TROUPE_METRICS", paths.metrics(slot));
  if (order.world_size > 1) env.add("TROUPE_PACE", paths.pace(slot));
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
  if (!worker.program.empty()) env.add("TROUPE_PROGRAM", worker.program);
  if (!worker.python.empty()) env.add("PYTHONPATH", python_path(worker, order));
  env.add(order.env);
  env.add(world.advice);
  env.add("PYTHONUNBUFFERED", "1");
  // Libraries that start a thread for each core of the machine would starve each other.
  env.add("OMP_NUM_THREADS", cpus_of_process(order));
  env.add(worker.base);
  return env.take();
}

std::string program_path() {
  std::error_code code;
  return std::filesystem::read_symlink("/proc/self/exe", code).string();
}

std::string python_folder() {
  std::error_code code;
  std::filesystem::path program{program_path()};
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
