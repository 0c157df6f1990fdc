#include "runtime/process/run_mounts.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/process/raw_syscall.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace troupe::process {
namespace {

/// As the options of overlayfs want it: they separate paths by ':' and options by ','.
std::string escaped(const std::string& path) {
  std::string text;
  for (char c : path) {
    if (c == '\\' || c == ':' || c == ',') text += '\\';
    text += c;
  }
  return text;
}

}  // namespace

MountPlan::MountPlan(std::vector<RunMount> mounts, std::string hidden)
    : mounts_{std::move(mounts)}, hidden_{std::move(hidden)} {
  constexpr unsigned long confined = MS_NODEV | MS_NOSUID;
  options_.reserve(mounts_.size());
  auto add = [&](MountCall call, size_t mount) {
    calls_.push_back(call);
    mount_of_.push_back(mount);
  };
  // What the machine mounts and unmounts later is seen inside, too, but nothing goes the other way.
  add({nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr, false}, mounts_.size());
  for (size_t i = 0; i < mounts_.size(); ++i) {
    const auto& [source, target, upper, work] = mounts_[i];
    if (upper.empty()) {
      add({source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr, false}, i);
      add({nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | confined, nullptr,
           false},
          i);
    } else {
      options_.push_back(fmt::format("lowerdir={},upperdir={},workdir={}", escaped(source),
                                     escaped(upper), escaped(work)));
      add({"overlay", target.c_str(), "overlay", confined, options_.back().c_str(), false}, i);
    }
  }
  // What else is mounted there belongs to others: a copy of it would keep it for as long as we
  // live.
  if (!hidden_.empty())
    add({nullptr, hidden_.c_str(), nullptr, MNT_DETACH, nullptr, true}, mounts_.size());
}

Error MountPlan::error(size_t number, int code) const {
  auto reason = errno_error(code, "").detail;
  const char* hint = "troupe doctor on that node says what it can mount";
  auto mount = number < mount_of_.size() ? mount_of_[number] : mounts_.size();
  if (mount == mounts_.size())
    return {Errc::failed, "the job gets no mounts of its own", reason, hint};
  const auto& [source, target, upper, work] = mounts_[mount];
  auto name = target.substr(target.rfind('/') + 1);
  return {code == ENOSPC ? Errc::exhausted : Errc::failed,
          fmt::format("{} cannot be mounted for the job", name),
          fmt::format("{} on {}: {}", upper.empty() ? source : "overlay", target, reason), hint};
}

Result<MountShare> MountShare::prepare(std::vector<RunMount> mounts, std::string hidden,
                                       size_t count) {
  MountShare share;
  share.plan = std::make_unique<const MountPlan>(std::move(mounts), std::move(hidden));
  // Where a child has to leave before the next one can begin, each has its own.
  if (count < 2 || !TROUPE_RAW_SYSCALLS) return share;
  share.followers = count - 1;
  for (auto [in, out] : {std::pair{&share.made_in, &share.made_out},
                         std::pair{&share.entered_in, &share.entered_out}}) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return errno_error(errno, "the job gets no mounts of its own",
                         "too many processes for the launcher's file limit (ulimit -n)?");
    in->reset(ends[0]);
    out->reset(ends[1]);
  }
  return share;
}

Result<void> MountShare::follow(pid_t pid) {
  if (followers == 0 || first) return ok();
  first.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!first) return errno_error(errno, "the job gets no mounts of its own");
  return ok();
}

void MountShare::leave() {
  for (auto* fd : {&first, &made_out, &made_in, &entered_out, &entered_in}) fd->reset();
}

MountEntry entry_of(const MountShare& share) {
  const auto& calls = share.plan->calls();
  return {
      calls.data(),         calls.size(),        share.followers,         share.first.get(),
      share.made_out.get(), share.made_in.get(), share.entered_out.get(), share.entered_in.get()};
}

namespace {

/// Goes into a new namespace and makes the calls.
__attribute__((no_sanitize("address", "undefined", "thread"))) bool make_mounts(
    const MountCall* calls, size_t count, MountFailure& failure) {
  failure.number = count;
  if (auto left = raw_syscall(SYS_unshare, CLONE_NEWNS); left < 0) {
    failure.code = static_cast<int>(-left);
    return false;
  }
  for (size_t i = 0; i < count; ++i) {
    const auto& call = calls[i];
    auto done = call.detach ? raw_syscall(SYS_umount2, call.target, call.flags)
                            : raw_syscall(SYS_mount, call.source, call.target, call.type,
                                          call.flags, call.options);
    if (done >= 0 || (call.detach && done == -EINVAL)) continue;
    failure = {i, static_cast<int>(-done)};
    return false;
  }
  return true;
}

}  // namespace

__attribute__((no_sanitize("address", "undefined", "thread"))) bool enter_mounts(
    const MountEntry& entry, MountFailure& failure) {
  char byte = 0;
  if (entry.first < 0) {
    if (!make_mounts(entry.calls, entry.count, failure)) return false;
    if (entry.followers == 0) return true;
    raw_syscall(SYS_close, entry.entered_out);
    for (size_t i = 0; i < entry.followers; ++i) raw_syscall(SYS_write, entry.made_out, &byte, 1);
    raw_syscall(SYS_read, entry.entered_in, &byte, 1);  // until the last of them has closed it
    return true;
  }
  raw_syscall(SYS_close, entry.made_out);
  failure = {entry.count, 0};
  if (raw_syscall(SYS_read, entry.made_in, &byte, 1) != 1) return false;
  auto entered = raw_syscall(SYS_setns, entry.first, CLONE_NEWNS);
  raw_syscall(SYS_close, entry.entered_out);
  // Whom it follows may be killed at this very moment: then there is nothing wrong with the mounts.
  failure.code = entered == -ESRCH ? 0 : static_cast<int>(-entered);
  return entered >= 0;
}

namespace {

/// Why a child of ours cannot have these mounts.
std::optional<Error> try_plan(const MountPlan& plan) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "mounts were not tried");
  UniqueFd read_end{ends[0]}, write_end{ends[1]};
  auto pid = ::fork();
  if (pid < 0) return errno_error(errno, "mounts were not tried");
  if (pid == 0) {
    MountFailure failure;
    if (!make_mounts(plan.calls().data(), plan.calls().size(), failure))
      (void)!::write(write_end.get(), &failure, sizeof failure);
    ::_exit(0);
  }
  write_end.reset();
  MountFailure failure;
  ssize_t got = 0;
  while ((got = ::read(read_end.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (got == sizeof failure) return plan.error(failure.number, failure.code);
  return std::nullopt;
}

}  // namespace

PrivateMounts probe_private_mounts(const std::string& scratch) {
  auto dir = fmt::format("{}/namespace-probe-{}", scratch, ::getpid());
  auto folder = [&](const char* name) { return dir + "/" + name; };
  PrivateMounts found;
  for (const auto* name : {"source", "target", "upper", "work"})
    if (auto made = make_dirs(folder(name), 0700); !made) found.denied = made.error();
  if (!found.denied) {
    found.denied = try_plan({{{folder("source"), folder("target"), "", ""}}, ""});
    found.no_overlay =
        try_plan({{{folder("source"), folder("target"), folder("upper"), folder("work")}}, ""});
  }
  if (found.denied) found.no_overlay = found.denied;
  (void)remove_tree(dir);
  return found;
}

}  // namespace troupe::process
