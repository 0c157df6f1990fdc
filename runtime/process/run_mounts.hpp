// Mounts that a run has for itself: its processes live in a mount namespace of their own, in which
// folders are seen at other places. Nobody else sees them, and the kernel takes them away with the
// last of these processes, however it ends.
//
// The calls are put together beforehand, so that a child that shares our memory (spawn.hpp) has
// nothing to do but to make them.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"
#include "runtime/process/launcher.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace troupe::process {

/// mount(2), or umount2(2) where it has no type and no source but `detach`.
struct MountCall {
  const char* source = nullptr;
  const char* target = nullptr;
  const char* type = nullptr;
  unsigned long flags = 0;
  const char* options = nullptr;
  bool detach = false;  // where nothing is mounted there, nothing is wrong
};

class MountPlan {
 public:
  MountPlan(std::vector<RunMount> mounts, std::string hidden);
  MountPlan(const MountPlan&) = delete;
  MountPlan& operator=(const MountPlan&) = delete;

  const std::vector<MountCall>& calls() const { return calls_; }
  /// Why a child has no mounts: call `number` failed, or the namespace where it is not below size.
  Error error(size_t number, int code) const;

 private:
  std::vector<RunMount> mounts_;
  std::string hidden_;
  std::vector<std::string> options_;
  std::vector<MountCall> calls_;
  std::vector<size_t> mount_of_;  // by call: which of the mounts it is for
};

/// The processes of one run have one namespace. The first of them makes it; the others wait for
/// that, and enter it; the first goes on when all of them have, because a namespace lives as long
/// as somebody is in it. Whoever of them dies meanwhile holds nobody up: the pipes tell.
struct MountShare {
  /// For so many processes.
  static Result<MountShare> prepare(std::vector<RunMount> mounts, std::string hidden, size_t count);
  /// The first of them exists.
  Result<void> follow(pid_t first);
  /// All of them do: nobody waits for us.
  void leave();

  std::unique_ptr<const MountPlan> plan;
  size_t followers = 0;
  UniqueFd first;  // a pidfd
  UniqueFd made_out, made_in, entered_out, entered_in;
};

/// What went wrong in a child; `number` of calls done before.
struct MountFailure {
  size_t number = 0;
  int code = 0;
};

/// What a child needs of a MountShare, as numbers and pointers.
struct MountEntry {
  const MountCall* calls = nullptr;  // null: it has no mounts of its own
  size_t count = 0;
  size_t followers = 0;
  int first = -1;  // whom it follows; -1: it is the first itself
  int made_out = -1, made_in = -1, entered_out = -1, entered_in = -1;
};
MountEntry entry_of(const MountShare& share);

/// In the child: has the mounts when it returns true. Bare system calls alone. False: it has none;
/// where it only followed another that has failed, `failure.code` is 0.
bool enter_mounts(const MountEntry& entry, MountFailure& failure);

/// What this process may do.
struct PrivateMounts {
  std::optional<Error> denied;      // no namespaces of their own for runs
  std::optional<Error> no_overlay;  // or none in which something could be written
};
/// Tries it in a process of its own, in folders that it makes below `scratch` and removes again.
PrivateMounts probe_private_mounts(const std::string& scratch);

}  // namespace troupe::process
