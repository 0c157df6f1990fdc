// From files as people have them to a version: a folder, a tar or zip file, one file of any kind.
// What is in CSV, JSONL and IDX files becomes records beside being files. Nothing of what a source
// says is trusted: names, sizes, links, and that it stays as it is while it is read.
// Synchronous; one thread at a time with one sink.
#pragma once

#include "storage/dataset/manifest.hpp"
#include "storage/dataset/packer.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace troupe::dataset {

enum class SourceKind : uint8_t {
  automatic,  // a folder by what it is, an archive by its name, else one file
  folder,
  archive,
  file,
};

enum class HeaderRow : uint8_t {
  automatic,  // the first row of a CSV file is names unless one is empty, a number or there twice
  yes,
  no,
};

struct ImportOptions {
  SourceKind kind = SourceKind::automatic;
  HeaderRow header = HeaderRow::automatic;
  bool records = true;  // look for records at all
  /// In folders, too, X.gz becomes X. One file that holds records is always unpacked.
  bool unpack = false;
  /// Links, sockets and devices in folders are left out, with a note; otherwise they are errors.
  bool leave_out_odd = false;
  std::string only{};  // of a folder this file or folder in it alone; empty: everything
  uint8_t block_log2 = limits::block_log2_default;
  const Manifest* former = nullptr;
  /// Told now and then; false ends the import.
  std::function<bool(uint64_t files, uint64_t bytes)> progress = nullptr;
};

struct Imported {
  Manifest manifest;
  PackStats stats;
  std::vector<std::string>
      notes;  // why something that looks like records has none; a sentence each
};

/// invalid for names and kinds of files that a dataset cannot hold, conflict for a file that
/// changed while it was read and for names that are there twice, refused for archives that grow
/// beyond measure. An error leaves the sink with blocks that nothing names.
Result<Imported> import_path(const std::string& path, const ImportOptions& options,
                             BlockSink& sink);

}  // namespace troupe::dataset
