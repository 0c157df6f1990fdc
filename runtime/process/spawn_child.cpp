#include "runtime/process/spawn_child.hpp"

#include "runtime/process/process_tree.hpp"
#include "runtime/process/raw_syscall.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::process {
namespace {

// Of set_mempolicy: memory from elsewhere where these nodes have none left, which is slow but no
// end. MPOL_BIND would be one.
constexpr int prefer_one = 1, prefer_many = 5;

constexpr int first_free_fd = 3;  // behind the three streams

/// Of a child made beforehand, which shares its parent's descriptors until it is called: false
/// where it is not.
__attribute__((no_sanitize("address", "undefined", "thread"))) bool await_call(Seat& seat) {
  raw_syscall(SYS_prctl, PR_SET_NAME, static_cast<const void*>("troupe-waits"));  // until its exec
  if (!change_seat(seat, Seat::entering, Seat::waiting)) return false;
  while (seat_now(seat) == Seat::waiting) await_seat(seat, Seat::waiting, nullptr);
  if (seat_now(seat) != Seat::called || raw_syscall(SYS_unshare, CLONE_FILES) < 0) return false;
  bool taken = change_seat(seat, Seat::called, Seat::taken);
  tell_seat(seat);
  return taken;
}

}  // namespace

__attribute__((no_sanitize("address", "undefined", "thread"))) bool change_seat(Seat& seat,
                                                                                Seat from,
                                                                                Seat to) {
  return __atomic_compare_exchange_n(&seat, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

__attribute__((no_sanitize("address", "undefined", "thread"))) Seat seat_now(const Seat& seat) {
  return __atomic_load_n(&seat, __ATOMIC_ACQUIRE);
}

__attribute__((no_sanitize("address", "undefined", "thread"))) void tell_seat(Seat& seat) {
  raw_syscall(SYS_futex, &seat, FUTEX_WAKE_PRIVATE, 1);
}

__attribute__((no_sanitize("address", "undefined", "thread"))) void await_seat(
    Seat& seat, Seat from, const timespec* longest) {
  raw_syscall(SYS_futex, &seat, FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(from),
              static_cast<const void*>(longest));
}

__attribute__((no_sanitize("address", "undefined", "thread"))) int spawn_child_main(
    void* argument) {
  auto& child = *static_cast<SpawnChild*>(argument);
  auto fail = [&](SpawnStep step, long number) {
    child.failed = step;
    child.number = static_cast<int>(-number);
    raw_syscall(SYS_exit_group, 127);
  };
  raw_syscall(SYS_setsid);
  raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (raw_syscall(SYS_getppid) != child.parent)
    raw_syscall(SYS_exit_group, 127);  // it died before that
  // First of all that takes time: nothing that comes of it is to be outside. Where a group takes
  // nobody in, it runs without that limit, as it does where there are no groups.
  for (int group : child.groups)
    if (group >= 0) raw_syscall(SYS_write, group, "0", 1);
  if (child.seat != Seat::none && !await_call(child.seat)) raw_syscall(SYS_exit_group, 127);
  // Where these cannot be had, as on a machine that has lost a CPU, it runs where there is room.
  if (child.cpus != nullptr)
    raw_syscall(SYS_sched_setaffinity, 0, child.cpus_bytes, static_cast<const void*>(child.cpus));
  if (child.memory != nullptr &&
      raw_syscall(SYS_set_mempolicy, prefer_many, static_cast<const void*>(child.memory),
                  child.memory_bits) < 0)  // Linux before 5.15: the first of them
    raw_syscall(SYS_set_mempolicy, prefer_one, static_cast<const void*>(child.memory),
                child.memory_bits);
  if (child.mounts.calls != nullptr && !enter_mounts(child.mounts, child.mount_failure))
    fail(SpawnStep::mounts, 0);
  raw_syscall(SYS_dup3, child.input, 0, 0);
  raw_syscall(SYS_dup3, child.output, 1, 0);
  raw_syscall(SYS_dup3, child.error, 2, 0);
  // Copies of the launcher's descriptors: an exec that takes long must not keep them open.
  if (child.left >= 0) {
    raw_syscall(SYS_dup3, child.left, first_free_fd, O_CLOEXEC);
    raw_syscall(SYS_close_range, first_free_fd + 1, ~0u, 0);
  }
  if (child.cwd != nullptr)
    if (auto entered = raw_syscall(SYS_chdir, child.cwd); entered < 0)
      fail(SpawnStep::folder, entered);
  if (child.open_files.rlim_max != 0)
    raw_syscall(SYS_prlimit64, 0, static_cast<int>(RLIMIT_NOFILE), &child.open_files, nullptr);
  if (child.tag.rlim_max != 0)
    raw_syscall(SYS_prlimit64, 0, static_cast<int>(tag_limit), &child.tag, nullptr);
  uint64_t no_signals = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
  long worst = -ENOENT;
  for (auto* path = child.candidates; *path != nullptr; ++path) {
    auto number = raw_syscall(SYS_execve, *path, child.argv, child.env);
    // As a shell looks: a file that may not be run hides no later one that may.
    if (number == -EACCES) {
      worst = -EACCES;
    } else if (number != -ENOENT && number != -ENOTDIR) {
      worst = number;
      break;
    }
  }
  fail(SpawnStep::exec, worst);
  return 127;
}

}  // namespace troupe::process
