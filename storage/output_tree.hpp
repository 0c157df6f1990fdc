// Looking into an experiment's output folder on behalf of somebody else: paths come from clients,
// and the folder was written by a job that may want us to read elsewhere. Nothing outside the
// folder is ever opened, and links are shown but not followed. Synchronous; any thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

struct OutputFile {
  std::string path;  // relative, '/' between parts
  uint64_t size = 0;
  Timestamp modified;
  bool is_link = false;
  std::string target;  // of a link, as written in it
};
struct OutputListing {
  std::vector<OutputFile> files;  // files and links, sorted by path; no folders, no devices
  uint64_t bytes = 0;             // of all listed
  bool more = false;              // there are files behind the last one listed
  bool complete = true;           // false: there are folders too deep to be looked into
};
struct OutputChunk {
  std::string bytes;
  uint64_t size = 0;  // of the whole file
};

/// How a path is looked up. `automatic` uses openat2 where the kernel has it.
enum class Beneath { automatic, by_parts };

/// The first `count_max` files behind the path `after`, in the order of their paths. Whatever the
/// folder holds, no more of it is in memory at a time. A folder that does not exist has no files.
Result<OutputListing> list_outputs(const std::string& dir, const std::string& after = {},
                                   size_t count_max = 10'000);
/// Bytes of one regular file. invalid for absolute paths, "..", NUL and other odd paths, refused
/// for links, not_found, and refused for what is no regular file.
Result<OutputChunk> read_output(const std::string& dir, std::string_view path, uint64_t offset,
                                uint32_t limit, Beneath how = Beneath::automatic);

}  // namespace troupe::storage
