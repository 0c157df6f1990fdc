// Opening a path below a folder without ever leaving it: no "..", no absolute path, no link on the
// way or at its end. The one place that resolves paths given by others. Any thread.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"
#include "storage/output_tree.hpp"

#include <string_view>

namespace troupe::storage {

/// invalid for empty, absolute, too long, with NUL, or with an empty, "." or ".." part.
Result<void> check_relative_path(std::string_view path);

/// Opens a checked path below `folder`; O_CLOEXEC and O_NOFOLLOW are added. refused for links.
Result<UniqueFd> open_beneath(int folder, std::string_view path, int flags,
                              Beneath how = Beneath::automatic, unsigned mode = 0);

}  // namespace troupe::storage
