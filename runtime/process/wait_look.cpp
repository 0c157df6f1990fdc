#include "runtime/process/wait_look.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/process/children.hpp"
#include "runtime/process/process_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/syscall.h>

namespace troupe::process {

namespace {

/// Loaders of a rank; whoever has more is not asked for all of them five times a second.
constexpr size_t children_max = 64;
constexpr size_t file_bytes_max = 8192;

/// In which a thread hears from others: of sockets, pipes, other threads and its children.
bool is_for_others(long call) {
  switch (call) {
    case SYS_futex:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_wait4:
    case SYS_waitid:
#ifdef SYS_poll
    case SYS_poll:
    case SYS_select:
    case SYS_epoll_wait:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
#ifdef SYS_futex_waitv
    case SYS_futex_waitv:
#endif
      return true;
    default:
      return false;
  }
}

bool has_busy_child(pid_t pid) {
  auto children = children_of_first_thread(pid);
  children.resize(std::min(children.size(), children_max));
  return std::any_of(children.begin(), children.end(), [](pid_t child) {
    auto facts = process_facts(child);
    return facts && (facts->state == 'R' || facts->state == 'D');
  });
}

}  // namespace

std::optional<WaitLook> look_at_wait(pid_t pid) {
  auto times = read_file(fmt::format("/proc/{}/task/{}/schedstat", pid, pid), file_bytes_max);
  auto call = read_file(fmt::format("/proc/{}/task/{}/syscall", pid, pid), file_bytes_max);
  if (!times || !call || call->empty()) return std::nullopt;
  WaitLook look;
  long long ran_ns = 0, queued_ns = 0;
  if (std::sscanf(times->c_str(), "%lld %lld", &ran_ns, &queued_ns) != 2) return std::nullopt;
  look.busy = std::chrono::nanoseconds{ran_ns + queued_ns};
  if (call->starts_with("running"))
    look.now = WaitLook::Now::runs;
  else if (is_for_others(std::strtol(call->c_str(), nullptr, 10)) && !has_busy_child(pid))
    look.now = WaitLook::Now::waits;
  return look;
}

}  // namespace troupe::process
