// Starting one process, as cheaply as the kernel allows: the child borrows our memory until it has
// called exec, so its failure comes back as a plain value. Called from the launcher's loop alone,
// with every signal blocked and set to its default there (which is why the child has nothing to
// reset but its mask).
#pragma once

#include "runtime/process/launcher.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace troupe::process {

/// The variable by which every process of a run can be found, however it was reparented.
inline constexpr std::string_view run_marker_name = "TROUPE_RUN_KEY";

struct SpawnPlan {
  const ProcessSpec* process = nullptr;
  std::string marker;  // value of TROUPE_RUN_KEY
  int input = -1;      // become 0, 1 and 2
  int output = -1;
  int error = -1;
  uint64_t open_files_max = 0;  // the soft limit to give back; 0: as it is
};

/// The process's number (it leads a session and group of its own), or why it could not be started,
/// in the words a user needs.
Result<pid_t> spawn_process(const SpawnPlan& plan);

}  // namespace troupe::process
