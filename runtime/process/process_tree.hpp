// Finding the processes of a run that its ranks left behind: double forks, daemons in sessions of
// their own, children of a launcher that died. Stateless; called from the launcher's loop.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/process/journal.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

namespace troupe::process {

/// Orphans of all runs are reparented to the main thread of the nearest subreaper, us. The loop
/// that starts the ranks is another thread, so the kernel's own list of the main thread's children
/// holds exactly the orphans, and reading it costs half a microsecond.
class Orphans {
 public:
  Orphans();
  /// Dead ones that were not reaped are among them. `ranks_alive` tells a known child from an
  /// orphan where the kernel has no such list.
  template <class IsRank>
  std::vector<pid_t> list(IsRank is_rank) const {
    if (children_) return listed();
    std::vector<pid_t> found;
    for (auto pid : children_by_scan())
      if (!is_rank(pid)) found.push_back(pid);
    return found;
  }

 private:
  std::vector<pid_t> listed() const;
  static std::vector<pid_t> children_by_scan();
  UniqueFd children_;
};

struct ProcessFacts {
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  uint64_t start_ticks = 0;
  char state = '?';
};
/// Nothing where there is no such process.
std::optional<ProcessFacts> process_facts(pid_t pid);

/// All values of TROUPE_RUN_KEY in the environment with which a process was started, if we may see
/// it.
std::vector<std::string> run_markers(pid_t pid);
/// A limit that Linux keeps and has not looked at since 2.4: children have it from their parents
/// through fork, exec, setsid and a cleared environment, so its value tells whose they are.
inline constexpr auto tag_limit = RLIMIT_LOCKS;
/// The tag it was spawned with, or inherited; 0 where it has none, or is not ours to ask.
uint64_t process_tag(pid_t pid);

/// Clock ticks since boot, the unit in which the kernel stamps a process's start.
uint64_t boot_ticks();

/// Which processes are meant: those that carry a marker ending in `suffix`, or have a tag of the
/// range, or are one of `known` by number and start.
struct Marks {
  std::string suffix;
  uint64_t first_tag = 0, last_tag = 0;  // 0: none
  std::vector<ProcessStamp> known;
};

/// Kills them all. A number that was given to another process meanwhile is never hit. How many were
/// found.
size_t kill_marked(const Marks& marks);

}  // namespace troupe::process
