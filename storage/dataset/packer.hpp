// Puts the bytes of files into blocks and writes the manifest of it. Files come one behind the
// other, in an order that must not depend on chance: the same files in the same order, beside the
// same former version, make the same blocks.
//
// Of a former version every file with the same bytes keeps its place, under whatever name, so only
// blocks with something new are handed out. One thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

/// Takes new blocks; those of the former version are not handed over again.
class BlockSink {
 public:
  virtual ~BlockSink() = default;
  /// `payload` is only valid during the call.
  virtual Result<void> put(const ContentId& id, std::string_view payload) = 0;
};

struct PackOptions {
  uint8_t block_log2 = limits::block_log2_default;
  const Manifest* former = nullptr;  // its blocks must be of the same size, or it is not used
};

/// The records of one file.
struct TableDraft {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t stride = 0;            // 0: see lengths
  std::vector<uint32_t> lengths;  // one for each record where the stride is 0
  bool trim = false;
  std::string about;
};

/// Lengths of records as a table's content has them: 4 bytes each, little endian.
std::string lengths_bytes(const std::vector<uint32_t>& lengths);

struct PackStats {
  uint64_t files = 0, bytes = 0;
  uint64_t new_blocks = 0, new_bytes = 0;    // handed to the sink
  uint64_t kept_blocks = 0, kept_bytes = 0;  // of the former version, payloads
};

class Packer {
 public:
  /// `sink` and the former manifest must outlive it.
  Packer(PackOptions options, BlockSink& sink);
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  /// Folders above are made as they are needed. invalid for bad names, conflict for one that is
  /// taken; a folder may come twice.
  Result<void> add_directory(std::string_view path);
  Result<void> begin_file(std::string_view path, bool executable);
  Result<void> write(std::string_view bytes);
  Result<void> end_file(std::optional<TableDraft> table = std::nullopt);

  /// Files whose place in a former block is mostly surrounded by bytes that nothing names any more.
  /// Those given to pack_again move to new blocks; the others stay.
  std::vector<std::string> scattered() const;
  /// Like begin_file, for a file that was added already: the bytes that follow must be the same.
  Result<void> pack_again(std::string_view path);

  /// Ends it: hands out what is left and gives the manifest.
  Result<Manifest> finish();
  const PackStats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe::dataset
