// Showing a sealed version as a tree of ordinary files. The ways, best first; which of them a
// machine permits is found out by trying (probe), never guessed, and none is taken silently instead
// of another: the caller chooses and can say which it was.
//
// Mounting needs CAP_SYS_ADMIN in the machine's own user namespace. Mount a version once on a node
// and bind it into jobs: each mount has a page cache of its own. Synchronous; any thread.
#pragma once

#include "runtime/core/mount_method.hpp"
#include "runtime/core/result.hpp"
#include "storage/dataset/sealed_file.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe::dataset {

using troupe::MountMethod;

/// Mounts the files of a version on `target`, a folder that exists. `plain_copy` is no mount:
/// invalid. corrupt where blocks.mdb is shorter than the image says, which the kernel would not
/// notice before a read fails. `fuse_program` begins the command that serves by `fuse`; by default
/// it is this program's own, `troupe serve-files`.
Result<void> mount_files(const SealedPaths& paths, const std::string& target, MountMethod method,
                         const std::vector<std::string>& fuse_program = {});
/// Lets go of the mount. `lazily`: now for everybody who looks anew, for those who have a file open
/// when they close it; else conflict while a file is open.
Result<void> unmount_files(const std::string& target, bool lazily = false);

/// Whether something is mounted right there; also a folder on itself.
bool is_mount(const std::string& path);

struct MountProbe {
  MountMethod method;
  std::optional<Error> error;  // why not; nothing where it works
};
/// Tries each method that mounts on a version of one small file below `scratch` and leaves nothing
/// behind.
std::vector<MountProbe> probe_mounts(const std::string& scratch);

/// Writes the tree below `target`, which must not exist yet (its parent must): for machines that
/// cannot mount, and for users who want the files. Written files are checked against their digests,
/// so that no damaged block gets out. On an error `target` is gone again.
Result<void> export_tree(const SealedFile& file, const std::string& target);

}  // namespace troupe::dataset
