// A process of its own for each version that is shown through FUSE: it goes on when the worker that
// started it is gone, as the jobs do, and ends by itself when its mount is taken down.
#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <vector>

namespace troupe::dataset {

/// Runs `program`, words that end where the folder of a version and a target follow, and waits
/// until it has mounted. Its end, later, is nobody's to wait for.
Result<void> mount_by_process(std::vector<std::string> program, const std::string& folder,
                              const std::string& target);

/// What that program does: mounts, goes to the background, and serves. An exit code; what went
/// wrong is on standard error. Must be called before the process has other threads.
int serve_files(const std::string& folder, const std::string& target);

/// Whether `path` is a mount whose process is gone: unmount it lazily, and mount again.
bool is_dead_mount(const std::string& path);

}  // namespace troupe::dataset
