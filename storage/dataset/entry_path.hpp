// Which names a dataset may hold. They come from archives and other machines, and end in mounts,
// terminals and scripts. Pure; any thread.
#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <string_view>

namespace troupe::dataset {

/// invalid unless the path is relative, without empty, "." and ".." parts, valid UTF-8 without
/// control characters (a newline is one), and short enough.
Result<void> check_entry_path(std::string_view path);
/// The path as errors print it: control characters and bytes that are no UTF-8 as \xNN, cut after
/// 200 bytes.
std::string printable(std::string_view path);
/// The folder that holds it; empty at the root.
std::string_view parent_of(std::string_view path);
std::string_view name_of(std::string_view path);

}  // namespace troupe::dataset
