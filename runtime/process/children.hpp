// Who is whose child, as the kernel tells. Stateless; any thread.
#pragma once

#include <sys/types.h>
#include <vector>

namespace troupe::process {

/// Of the first thread of a process: most programs start others from there.
std::vector<pid_t> children_of_first_thread(pid_t pid);

/// Of all its threads; reads a file for each.
std::vector<pid_t> children_of(pid_t pid);

}  // namespace troupe::process
