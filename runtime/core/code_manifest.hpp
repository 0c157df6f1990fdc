// The list of files of one code snapshot. Its canonical text is content-addressed itself: the
// SHA-256 of the text is the snapshot's digest, so equal trees have equal digests wherever they
// were made.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct CodeEntry {
  std::string
      path;  // relative, '/' between parts, no empty, "." or ".." part, no NUL, at most 4,096 bytes
  bool is_link = false;
  bool executable = false;
  uint64_t size = 0;   // bytes of a file
  std::string digest;  // SHA-256 of a file's bytes, 64 hexadecimal digits
  std::string target;  // of a link: relative, staying inside the tree
  bool operator==(const CodeEntry&) const = default;
};

struct CodeManifest {
  std::vector<CodeEntry> entries;  // sorted by path, no path twice, no path below a file
  bool operator==(const CodeManifest&) const = default;
};

/// Canonical text: JSON lines, one entry each, keys sorted.
std::string manifest_text(const CodeManifest& manifest);
/// Reads what manifest_text wrote and checks every rule above, and limits::code_files_max and
/// code_bytes_max: the text may come from anybody.
Result<CodeManifest> parse_manifest(std::string_view text);
/// SHA-256 of the canonical text.
std::string manifest_digest(const CodeManifest& manifest);

/// Whether a link at `path` (relative, inside the tree) with this target stays inside the tree.
bool link_stays_inside(std::string_view path, std::string_view target);

}  // namespace troupe
