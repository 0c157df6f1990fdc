// The ways to show the files of a dataset version, best first, by the names that people use.
// Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

enum class MountMethod : uint8_t {
  erofs,       // the kernel reads image and blocks.mdb as they are: Linux 6.12
  erofs_loop,  // the same through two loop devices: Linux 5.16
  fuse,        // a process of ours serves them (fuse_process.hpp): Linux 5.1
  plain_copy,  // no mount: all files written out (export_tree); as large as the dataset
};
std::string_view to_string(MountMethod method);
std::optional<MountMethod> mount_method_from(std::string_view text);

/// What stands for the best way that a node has.
inline constexpr std::string_view any_mount_method = "auto";
/// "auto, erofs, ...": what may be asked for.
std::string mount_method_names();

}  // namespace troupe
