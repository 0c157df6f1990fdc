// Limits of CPU, memory and processes by cgroups (version 1 or 2), where we may set them. Where we
// may not, runs go unlimited: limits are reservations first. The groups of a run are there before
// its processes are, and each enters them before its command runs: what it forks is in them, too,
// however soon. Making and removing groups costs more than a short command, so those of short runs
// are used again (group_pool.hpp).
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace troupe::process {

/// What can be limited here, for `troupe doctor` and the launcher.
struct Confinement {
  int version = 0;      // of the cgroups found: 1, 2, or 0 for none that we may use
  std::string cpu_dir;  // own group of each controller; empty: no limits of that kind
  std::string memory_dir;
  std::string processes_dir;
  std::string note;  // why not, in words

  bool cpu() const { return !cpu_dir.empty(); }
  bool memory() const { return !memory_dir.empty(); }
  bool processes() const { return !processes_dir.empty(); }
};

/// Of one run; 0: none.
struct LimitsWanted {
  double cpus = 0;
  uint64_t mem = 0;
  uint64_t processes = 0;  // and threads, at a time

  bool operator==(const LimitsWanted&) const = default;
};

/// At most one group for each controller.
inline constexpr size_t groups_max = 3;
/// What a process writes "0" to, to be in a group; some may be closed.
using GroupDoors = std::array<UniqueFd, groups_max>;

/// What a run gets that asks for no number: half of what the machine has left whatever it does, and
/// enough for any training.
uint64_t default_processes_max();

/// Tries it out: makes and removes an empty group.
Confinement probe_confinement();

/// Ends and removes the groups whose names begin so: of a launcher that is gone.
void remove_groups(const Confinement& where, const std::string& prefix);

/// The groups of one run. Removed with the object; processes still in it are killed first.
class RunLimits {
 public:
  /// `name` is unique on this machine. Nothing (no error) where there is nothing to set.
  static Result<std::unique_ptr<RunLimits>> create(const Confinement& where,
                                                   const std::string& name,
                                                   const LimitsWanted& wanted);
  ~RunLimits();
  RunLimits(const RunLimits&) = delete;
  RunLimits& operator=(const RunLimits&) = delete;

  const LimitsWanted& wanted() const { return wanted_; }
  Result<GroupDoors> doors() const;
  /// Whether it is as new: nobody is in it, and nobody was killed in it as a whole.
  bool clean() const;
  bool holds(pid_t pid) const;
  void kill_all();
  /// Whether the kernel ended a process here for want of memory.
  bool oom_killed() const;
  /// Whether it refused to make one more than there may be.
  bool fork_refused() const;

 private:
  RunLimits() = default;

  LimitsWanted wanted_;
  std::vector<std::string> dirs_;
  std::string memory_dir_;
  std::string processes_dir_;
  bool killed_ = false;
};

}  // namespace troupe::process
