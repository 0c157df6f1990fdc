#include "runtime/process/process_look.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/process/children.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace troupe::process {

namespace {

/// A tree that forks on must not keep us.
constexpr size_t processes_max = 256;

struct Stat {
  std::string name;
  char state = '?';
  std::chrono::milliseconds cpu{0};
};

bool read_stat(pid_t pid, Stat& out) {
  auto text = read_file(fmt::format("/proc/{}/stat", pid), 8192);
  if (!text) return false;
  auto name_begin = text->find('(');
  auto name_end = text->rfind(')');  // the name may hold anything, also ')'
  if (name_begin == std::string::npos || name_end == std::string::npos) return false;
  out.name = text->substr(name_begin + 1, name_end - name_begin - 1);
  unsigned long user = 0, system = 0;
  if (std::sscanf(text->c_str() + name_end + 1,
                  " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &out.state, &user,
                  &system) != 3)
    return false;
  static const auto per_second = static_cast<unsigned long>(::sysconf(_SC_CLK_TCK));
  out.cpu = std::chrono::milliseconds{(user + system) * 1000 / per_second};
  return true;
}

const char* state_text(char state) {
  switch (state) {
    case 'R':
      return "running";
    case 'S':
      return "sleeping";
    case 'D':
      return "in a wait that nothing interrupts";
    case 'T':
    case 't':
      return "stopped";
    case 'Z':
      return "ended, not reaped";
    default:
      return "in an unknown state";
  }
}

std::string first_line(const std::string& path) {
  auto text = read_file(path, 4096);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::string describe(pid_t pid, const Stat& stat) {
  auto text = fmt::format("process {} ({}): {}", pid, stat.name, state_text(stat.state));
  // Empty, "0" or refused where we may not know, or it runs.
  auto place = first_line(fmt::format("/proc/{}/wchan", pid));
  if (!place.empty() && place != "0") text += " in " + place;
  auto call = first_line(fmt::format("/proc/{}/syscall", pid));
  if (!call.empty() && call[0] >= '0' && call[0] <= '9')
    text += ", system call " + system_call_text(std::strtol(call.c_str(), nullptr, 10));
  return text;
}

}  // namespace

std::string system_call_text(long number) {
  switch (number) {
    case SYS_read:
      return "read";
    case SYS_write:
      return "write";
    case SYS_fsync:
      return "fsync";
    case SYS_openat:
      return "openat";
    case SYS_connect:
      return "connect";
    case SYS_accept4:
      return "accept4";
#ifdef SYS_accept
    case SYS_accept:
      return "accept";
#endif
    case SYS_sendto:
      return "sendto";
    case SYS_sendmsg:
      return "sendmsg";
    case SYS_recvfrom:
      return "recvfrom";
    case SYS_recvmsg:
      return "recvmsg";
#ifdef SYS_poll
    case SYS_poll:
      return "poll";
    case SYS_select:
      return "select";
    case SYS_epoll_wait:
      return "epoll_wait";
#endif
    case SYS_ppoll:
      return "ppoll";
    case SYS_pselect6:
      return "pselect6";
    case SYS_epoll_pwait:
      return "epoll_pwait";
    case SYS_futex:
      return "futex";
    case SYS_flock:
      return "flock";
    case SYS_ioctl:
      return "ioctl";
    case SYS_nanosleep:
      return "nanosleep";
    case SYS_clock_nanosleep:
      return "clock_nanosleep";
    case SYS_wait4:
      return "wait4";
    case SYS_waitid:
      return "waitid";
    default:
      return fmt::to_string(number);
  }
}

ProcessLook look_at(pid_t pid) {
  ProcessLook look;
  std::set<pid_t> seen;
  std::vector<pid_t> open{pid};
  Stat of_busiest;
  while (!open.empty() && seen.size() < processes_max) {
    auto next = open.back();
    open.pop_back();
    Stat stat;
    if (!seen.insert(next).second || !read_stat(next, stat)) continue;
    look.cpu += stat.cpu;
    // A child before its parent that has done as little: shells wait for what they started.
    if (look.busiest == 0 || stat.cpu >= of_busiest.cpu) {
      look.busiest = next;
      of_busiest = stat;
    }
    for (auto child : children_of_first_thread(next)) open.push_back(child);
  }
  look.text = look.busiest == 0 ? fmt::format("process {} is gone", pid)
                                : describe(look.busiest, of_busiest);
  return look;
}

}  // namespace troupe::process
