// The code snapshot of a project: a folder becomes the list of its files, which is what is sent.
// Reads the file system; called from the command line's one thread.
#pragma once

#include "runtime/core/code_manifest.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::client {

struct ScanOptions {
  /// Where digests of unchanged files are remembered; empty: $XDG_CACHE_HOME/troupe, or
  /// ~/.cache/troupe. A cache that cannot be read or written only costs time.
  std::string cache_dir;
  bool use_cache = true;
  uint64_t bytes_max = limits::code_bytes_max;
  size_t files_max = limits::code_files_max;
};

struct CodeTree {
  CodeManifest manifest;
  std::vector<std::string> warnings;  // sockets and devices that were left out
  size_t hashed = 0;                  // files that were read because the cache did not know them
};

/// All files below `root` but `.git` folders and what `.gitignore` and `.troupeignore` files in the
/// tree say; within a folder, .troupeignore wins. Ignore files above the root and Git's own
/// settings are not looked at. Errors: over a limit (naming the largest), a link that leaves the
/// root, a file that cannot be read, a name that is no UTF-8.
Result<CodeTree> scan_code_tree(const std::string& root, const ScanOptions& options = {});

/// The bytes of a file of the manifest, if they still are what was scanned.
Result<std::string> read_code_file(const std::string& root, const CodeEntry& entry);

/// "<commit>", "<commit>+dirty", or empty where the root is in no Git tree or git is not there.
std::string git_state(const std::string& root);

}  // namespace troupe::client
