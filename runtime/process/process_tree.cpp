#include "runtime/process/process_tree.hpp"

#include "runtime/process/spawn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::process {
namespace {

/// Environments are as large as the kernel lets arguments be; ours ends with the marker.
constexpr size_t environment_bytes_max = 8u << 20;

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  std::unique_ptr<DIR, int (*)(DIR*)> stream{::opendir("/proc"), ::closedir};
  if (!stream) return pids;
  while (auto* entry = ::readdir(stream.get())) {
    std::string_view name{entry->d_name};
    pid_t pid = 0;
    auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc{} && parsed.ptr == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

bool is_known(pid_t pid, const std::vector<ProcessStamp>& known) {
  return std::any_of(known.begin(), known.end(), [&](auto& stamp) {
    if (stamp.pid != pid) return false;
    auto facts = process_facts(pid);
    return facts && facts->start_ticks >= stamp.ticks_min && facts->start_ticks <= stamp.ticks_max;
  });
}

}  // namespace

Orphans::Orphans() {
  auto fd = open_file(fmt::format("/proc/self/task/{}/children", ::getpid()), O_RDONLY);
  if (fd) children_ = std::move(*fd);
}

std::vector<pid_t> Orphans::listed() const {
  std::vector<pid_t> pids;
  char buffer[4096];
  std::string text;
  for (off_t at = 0;;) {
    auto n = ::pread(children_.get(), buffer, sizeof buffer, at);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
    at += n;
  }
  for (const char *p = text.data(), *end = p + text.size(); p < end; ++p) {
    pid_t pid = 0;
    p = std::from_chars(p, end, pid).ptr;
    if (pid > 0) pids.push_back(pid);
  }
  return pids;
}

std::vector<pid_t> Orphans::children_by_scan() {
  std::vector<pid_t> pids;
  for (auto pid : all_processes())
    if (auto facts = process_facts(pid); facts && facts->parent == ::getpid()) pids.push_back(pid);
  return pids;
}

std::optional<ProcessFacts> process_facts(pid_t pid) {
  auto text = read_file(fmt::format("/proc/{}/stat", pid), 8192);
  if (!text) return std::nullopt;
  auto name_end = text->rfind(')');  // the name may hold anything, also ')'
  if (name_end == std::string::npos) return std::nullopt;
  ProcessFacts facts;
  unsigned long long start = 0;
  auto fields = std::sscanf(text->c_str() + name_end + 1,
                            " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                            "%*d %llu",
                            &facts.state, &facts.parent, &facts.group, &facts.session, &start);
  if (fields != 5) return std::nullopt;
  facts.start_ticks = start;
  return facts;
}

std::vector<std::string> run_markers(pid_t pid) {
  std::vector<std::string> markers;
  auto text = read_file(fmt::format("/proc/{}/environ", pid), environment_bytes_max);
  if (!text) return markers;
  auto wanted = fmt::format("{}=", run_marker_name);
  std::string_view rest{*text};
  while (!rest.empty()) {
    auto end = std::min(rest.find('\0'), rest.size());
    auto variable = rest.substr(0, end);
    if (variable.starts_with(wanted)) markers.emplace_back(variable.substr(wanted.size()));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return markers;
}

uint64_t process_tag(pid_t pid) {
  rlimit limit{};
  if (::prlimit(pid, tag_limit, nullptr, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  return limit.rlim_cur;
}

uint64_t boot_ticks() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  static const auto per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<uint64_t>(now.tv_sec) * per_second +
         static_cast<uint64_t>(now.tv_nsec) * per_second / 1'000'000'000;
}

namespace {

bool is_meant(pid_t pid, const Marks& marks) {
  auto tag = process_tag(pid);
  if (tag != 0 && tag >= marks.first_tag && tag <= marks.last_tag) return true;
  auto markers = run_markers(pid);
  return std::any_of(markers.begin(), markers.end(),
                     [&](auto& marker) {
                       return !marks.suffix.empty() && marker.ends_with(marks.suffix);
                     }) ||
         is_known(pid, marks.known);
}

}  // namespace

size_t kill_marked(const Marks& marks) {
  size_t found = 0;
  for (auto pid : all_processes()) {
    if (pid == ::getpid()) continue;
    // Held open before looking: from here on the number cannot come to mean another process.
    UniqueFd handle{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (!handle) continue;
    if (!is_meant(pid, marks)) continue;
    auto facts = process_facts(pid);
    if (!facts || facts->state == 'Z' || facts->state == 'X') continue;
    ++found;
    ::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
  }
  return found;
}

}  // namespace troupe::process
