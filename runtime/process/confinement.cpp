#include "runtime/process/confinement.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::process {
namespace {

/// The kernel's default period; shorter ones throttle in smaller steps and cost more.
constexpr int64_t cpu_period_us = 100'000;

struct Mount {
  std::string point;
  std::string options;  // of the file system: names the controllers of version 1
  bool version_2 = false;
};

std::vector<Mount> cgroup_mounts() {
  std::vector<Mount> mounts;
  auto text = read_file("/proc/self/mountinfo", 8u << 20);
  if (!text) return mounts;
  std::istringstream lines{*text};
  for (std::string line; std::getline(lines, line);) {
    auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before{line.substr(0, dash)}, after{line.substr(dash + 3)};
    std::string skip, point, type, options;
    before >> skip >> skip >> skip >> skip >> point;
    after >> type >> skip >> options;
    if (type == "cgroup" || type == "cgroup2")
      mounts.push_back({point, "," + options + ",", type == "cgroup2"});
  }
  return mounts;
}

/// Our own group below a mount; the mount itself where the path cannot be seen from here.
std::string own_group(const Mount& mount, std::string_view controller) {
  auto text = read_file("/proc/self/cgroup", 1u << 20);
  if (!text) return mount.point;
  std::istringstream lines{*text};
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find(':');
    auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    auto names = "," + line.substr(first + 1, second - first - 1) + ",";
    bool ours = mount.version_2 ? names == ",,"
                                : names.find(fmt::format(",{},", controller)) != std::string::npos;
    if (!ours) continue;
    auto path = mount.point + line.substr(second + 1);
    while (path.ends_with('/')) path.pop_back();
    return ::access(path.c_str(), F_OK) == 0 ? path : mount.point;
  }
  return mount.point;
}

bool write_value(const std::string& path, std::string_view value) {
  auto fd = open_file(path, O_WRONLY);
  return fd && write_all(fd->get(), value);
}

/// Whether a group with this file can be made below `dir`; says why not.
bool usable(const std::string& dir, const std::string& file, std::string& note) {
  auto probe = fmt::format("{}/troupe-probe-{}", dir, ::getpid());
  if (::mkdir(probe.c_str(), 0755) != 0) {
    note = fmt::format("no group can be made in {}: {}", dir, errno_error(errno, "").detail);
    return false;
  }
  bool there = ::access((probe + "/" + file).c_str(), W_OK) == 0;
  ::rmdir(probe.c_str());
  if (!there) note = fmt::format("{} has no {}", dir, file);
  return there;
}

std::vector<pid_t> pids_in(const std::string& path) {
  std::vector<pid_t> pids;
  auto text = read_file(path, 8u << 20);
  if (!text) return pids;
  for (const char *p = text->data(), *end = p + text->size(); p < end; ++p) {
    pid_t pid = 0;
    p = std::from_chars(p, end, pid).ptr;
    if (pid > 0) pids.push_back(pid);
  }
  return pids;
}

void kill_group(const std::string& dir) {
  if (write_value(dir + "/cgroup.kill", "1")) return;
  for (auto pid : pids_in(dir + "/cgroup.procs")) ::kill(pid, SIGKILL);
}

/// A killed process leaves its group a moment after it was reaped; a group that stays costs little
/// and is reused by nobody.
void remove_group(const std::string& dir) {
  for (int attempt = 0; attempt < 20 && ::rmdir(dir.c_str()) != 0 && errno == EBUSY; ++attempt)
    ::usleep(1000);
}

}  // namespace

Confinement probe_confinement() {
  Confinement found;
  found.note = "no cgroup file system is mounted";
  for (auto& mount : cgroup_mounts()) {
    if (mount.version_2) {
      if (found.version != 0) continue;  // of version 1, beside which this has no controllers
      auto dir = own_group(mount, "");
      // Works only where our group holds no process itself (delegated by systemd, or the root).
      (void)write_value(dir + "/cgroup.subtree_control", "+cpu +memory");
      (void)write_value(dir + "/cgroup.subtree_control", "+pids");
      if (usable(dir, "cpu.max", found.note)) found.cpu_dir = dir;
      if (usable(dir, "memory.max", found.note)) found.memory_dir = dir;
      if (std::string why; usable(dir, "pids.max", why)) found.processes_dir = dir;
      if (found.cpu() || found.memory() || found.processes()) found.version = 2;
      continue;
    }
    if (found.version == 2) continue;
    auto has = [&](const char* name) {
      return mount.options.find(fmt::format(",{},", name)) != std::string::npos;
    };
    auto dir = own_group(mount, has("cpu") ? "cpu" : has("memory") ? "memory" : "pids");
    if (has("cpu") && usable(dir, "cpu.cfs_quota_us", found.note)) {
      found.cpu_dir = dir;
      found.version = 1;
    }
    if (has("memory") && usable(dir, "memory.limit_in_bytes", found.note)) {
      found.memory_dir = dir;
      found.version = 1;
    }
    if (std::string why; has("pids") && usable(dir, "pids.max", why)) {
      found.processes_dir = dir;
      found.version = 1;
    }
  }
  if (found.cpu() && found.memory()) found.note.clear();
  return found;
}

void remove_groups(const Confinement& where, const std::string& prefix) {
  for (const auto& parent : std::set{where.cpu_dir, where.memory_dir, where.processes_dir}) {
    if (parent.empty()) continue;
    std::error_code ignored;
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator{parent, ignored})
      if (entry.path().filename().string().starts_with("troupe-" + prefix))
        found.push_back(entry.path().string());
    for (const auto& dir : found) {
      (void)write_value(dir + "/pids.max", "0");
      kill_group(dir);
      remove_group(dir);
    }
  }
}

uint64_t default_processes_max() {
  constexpr uint64_t least = 1024, most = 32'768;
  uint64_t all = 2 * most;
  for (const auto* file : {"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"}) {
    auto text = read_file(file, 64);
    uint64_t number = 0;
    if (text &&
        std::from_chars(text->data(), text->data() + text->size(), number).ec == std::errc{})
      all = std::min(all, number);
  }
  return std::clamp(all / 2, least, most);
}

Result<std::unique_ptr<RunLimits>> RunLimits::create(const Confinement& where,
                                                     const std::string& name,
                                                     const LimitsWanted& wanted) {
  auto [cpus, mem, processes] = wanted;
  std::unique_ptr<RunLimits> limits{new RunLimits};
  limits->wanted_ = wanted;
  auto group_in = [&](const std::string& dir) {
    auto path = fmt::format("{}/troupe-{}", dir, name);
    if (std::find(limits->dirs_.begin(), limits->dirs_.end(), path) != limits->dirs_.end())
      return path;
    if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) limits->dirs_.push_back(path);
    return path;
  };
  bool set = true;
  if (cpus > 0 && where.cpu()) {
    auto path = group_in(where.cpu_dir);
    // The kernel takes no quota below a hundredth of a processor.
    auto quota = std::max<int64_t>(static_cast<int64_t>(cpus * cpu_period_us), 1000);
    set = where.version == 2
              ? write_value(path + "/cpu.max", fmt::format("{} {}", quota, cpu_period_us))
              : write_value(path + "/cpu.cfs_period_us", fmt::format("{}", cpu_period_us)) &&
                    write_value(path + "/cpu.cfs_quota_us", fmt::format("{}", quota));
  }
  if (mem > 0 && where.memory()) {
    auto path = group_in(where.memory_dir);
    limits->memory_dir_ = path;
    auto value = fmt::format("{}", mem);
    if (where.version == 2) {
      set = write_value(path + "/memory.max", value) && set;
      (void)write_value(path + "/memory.swap.max", "0");
      // One rank alone cut out of a gang would leave the rest waiting for it.
      (void)write_value(path + "/memory.oom.group", "1");
    } else {
      set = write_value(path + "/memory.limit_in_bytes", value) && set;
      (void)write_value(path + "/memory.memsw.limit_in_bytes", value);
    }
  }
  if (processes > 0 && where.processes()) {
    auto path = group_in(where.processes_dir);
    limits->processes_dir_ = path;
    set = write_value(path + "/pids.max", fmt::format("{}", processes)) && set;
  }
  if (!set)
    return Error{Errc::io, "limits could not be set",
                 fmt::format("{} cpus, {} bytes, {} processes", cpus, mem, processes),
                 "see troupe doctor"};
  return limits;
}

RunLimits::~RunLimits() {
  kill_all();
  for (auto& dir : dirs_) remove_group(dir);
}

Result<GroupDoors> RunLimits::doors() const {
  GroupDoors doors;
  for (size_t i = 0; i < dirs_.size() && i < doors.size(); ++i) {
    auto fd = open_file(dirs_[i] + "/cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (!fd) return std::move(fd).error();
    doors[i] = std::move(*fd);
  }
  return doors;
}

bool RunLimits::holds(pid_t pid) const {
  if (dirs_.empty()) return false;
  auto pids = pids_in(dirs_[0] + "/cgroup.procs");
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

bool RunLimits::clean() const {
  return !killed_ && std::all_of(dirs_.begin(), dirs_.end(), [](const auto& dir) {
    return pids_in(dir + "/cgroup.procs").empty();
  });
}

void RunLimits::kill_all() {
  killed_ = true;
  // What forks without end would be ahead of us for ever.
  if (!processes_dir_.empty()) (void)write_value(processes_dir_ + "/pids.max", "0");
  for (auto& dir : dirs_) kill_group(dir);
}

bool RunLimits::oom_killed() const {
  if (memory_dir_.empty()) return false;
  for (auto* file : {"/memory.events", "/memory.oom_control"}) {
    auto text = read_file(memory_dir_ + file, 65536);
    if (!text) continue;
    auto at = text->find("oom_kill ");
    if (at != std::string::npos && (*text)[at + 9] != '0') return true;
  }
  return false;
}

bool RunLimits::fork_refused() const {
  if (processes_dir_.empty()) return false;
  auto text = read_file(processes_dir_ + "/pids.events", 65536);
  auto at = text ? text->find("max ") : std::string::npos;
  return at != std::string::npos && (*text)[at + 4] != '0';
}

}  // namespace troupe::process
