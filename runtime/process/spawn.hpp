// Starting processes, as cheaply as the kernel allows and without waiting for them. A child borrows
// our memory until it has called exec, but not our time: we go on, and learn from a pipe when it
// has left.
//
//   begin --> child: session, groups, streams, folder, mask, exec --> fd() hangs up --> finish: how
//   it went
//
// Both ends of that pipe close in exec, and when the process ends; only then may the stack and the
// words that the child used be used again. It makes bare system calls (raw_syscall.hpp), and writes
// to nothing but its own stack and its own block. Where that cannot be, begin stands still until
// the child has left, and fd() is -1.
//
// Called from the launcher's loop alone, with every signal blocked and set to its default there
// (which is why the child has nothing to reset but its mask): a signal sent to a child that has not
// called exec yet takes effect just before it does.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/process/confinement.hpp"
#include "runtime/process/journal.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/process/run_mounts.hpp"

#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unordered_map>
#include <vector>

namespace troupe::process {

/// The variable by which every process of a run can be found, however it was reparented.
inline constexpr std::string_view run_marker_name = "TROUPE_RUN_KEY";

struct SpawnPlan {
  ProcessSpec process;
  std::string marker;  // value of TROUPE_RUN_KEY
  uint64_t tag = 0;    // found again by process_tag(), also where the environment was cleared
  int input = -1;      // become 0, 1 and 2; may be closed here as soon as begin returns
  int output = -1;
  int error = -1;
  const RunLimits* limits = nullptr;  // it enters their groups before its command runs; may go when
                                      // begin returns
  pid_t parked = 0;  // one of park(), which is in them: it is taken where it waits already
  const MountShare* mounts = nullptr;  // it has these then; its plan outlives the child, the rest
                                       // may be closed likewise
};

/// A process that has not shown yet whether its command can be run.
class Spawn {
 public:
  /// Waits for the child to leave our memory, where nobody has.
  ~Spawn();
  Spawn(Spawn&&) noexcept;
  Spawn& operator=(Spawn&&) = delete;

  /// It leads a session and group of its own, or will before it calls exec.
  pid_t pid() const { return stamp_.pid; }
  /// When the process was made, which may be long ago.
  const ProcessStamp& stamp() const { return stamp_; }
  /// Hangs up (EPOLLHUP) when the child has left; -1 where it has already.
  int fd() const { return left_.get(); }
  /// What fd() would tell, without waiting.
  bool has_left() const;

 private:
  friend class Spawner;
  struct Memory;
  Spawn(std::unique_ptr<Memory> memory, const ProcessStamp& stamp, UniqueFd left);
  void await();

  std::unique_ptr<Memory> memory_;
  ProcessStamp stamp_;
  UniqueFd left_;
};

class Spawner {
 public:
  /// `open_files_max`: the soft limit to give back to children; 0: as it is.
  explicit Spawner(uint64_t open_files_max);
  ~Spawner();

  /// A child that enters the groups and waits there; 0: there are none here.
  pid_t park(GroupDoors groups);
  /// It is not wanted any more.
  void discard(pid_t parked);
  /// Whether it is in its groups by now.
  bool waits(pid_t parked) const;
  /// Whether it waits, or will, or is dying after that: no process of a run.
  bool parked(pid_t pid) const;
  /// It was reaped.
  void died(pid_t pid);

  /// The child, or why there is none.
  Result<Spawn> begin(SpawnPlan plan);
  /// After fd() hung up, or the process ended: nothing where its command was run (or it was killed
  /// before that), else why not, in the words a user needs. Its exit code then means nothing.
  std::optional<Error> finish(Spawn spawn);

 private:
  using Memory = std::unique_ptr<Spawn::Memory>;
  Result<Memory> memory();
  void keep(Memory memory);
  Result<ProcessStamp> clone(Spawn::Memory& memory, int flags);
  /// Whether it goes on from where it waits.
  bool wake(Spawn::Memory& memory, pid_t pid);

  pid_t parent_;
  uint64_t open_files_max_;
  std::vector<Memory> spare_;
  std::unordered_map<pid_t, Memory> parked_;  // until they are reaped, or begin
};

}  // namespace troupe::process
