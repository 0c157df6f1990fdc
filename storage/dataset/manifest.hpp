// What one dataset version is: a tree of files, tables of records in some of them, and the blocks
// that hold their bytes. Immutable; its canonical bytes (docs/reference/dataset-format.md) are its
// identity, so equal manifests have equal ids wherever they were made. Values; any thread.
//
//   entry --content--> pieces --(block, offset)--> block --(id)--> payload bytes
//
// Each piece lies inside one block: on a page border, or, where the whole content is small
// (is_tight), on any multiple of 8. A file up to the size of a block is one piece; a larger one is
// pieces as large as a block and a shorter last one.
#pragma once

#include "runtime/core/result.hpp"
#include "storage/dataset/content_id.hpp"
#include "storage/dataset/limits.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

struct Piece {
  uint32_t block = 0;   // in Manifest::blocks
  uint32_t offset = 0;  // in the block's payload
  bool operator==(const Piece&) const = default;
};

/// Bytes that lie in pieces.
struct Content {
  uint64_t size = 0;
  /// Of up to one piece: the SHA-256 of the bytes. Of more: the SHA-256 over the SHA-256s of the
  /// pieces, one after the other, so that a large file is hashed once for itself and its blocks.
  ContentId id;
  uint32_t first_piece = 0;  // in Manifest::pieces; their count follows from the size
  bool is_tight() const { return size <= limits::tight_bytes_max; }
  bool operator==(const Content&) const = default;
};

struct Entry {
  std::string path;  // check_entry_path
  bool is_directory = false;
  bool executable = false;
  Content content;  // of a file
  bool operator==(const Entry&) const = default;
};

/// Records that lie one behind the other in a file: rows of a CSV file, items of an IDX file.
struct Table {
  uint32_t entry = 0;   // of the file
  uint64_t first = 0;   // offset of the first record
  uint64_t count = 0;   // of records
  uint64_t stride = 0;  // bytes of each record; 0: they differ, `lengths` has them
  Content lengths;      // 4 bytes a record, little endian; what is between records counts to the
                        // one before
  bool trim = false;    // a record ends before the carriage returns and newlines at its end
  std::string about;    // JSON for readers: kind, columns, shape
  bool operator==(const Table&) const = default;
};

struct Block {
  ContentId id;        // SHA-256 of the payload
  uint32_t pages = 0;  // of the payload
  uint64_t bytes() const { return uint64_t{pages} * limits::page_bytes; }
  bool operator==(const Block&) const = default;
};

struct Manifest {
  uint8_t block_log2 = limits::block_log2_default;  // pages of a full block, as a power of two
  std::vector<Block> blocks;   // in the order in which pieces first name them, none twice
  std::vector<Piece> pieces;   // of all entries, then of all tables' lengths
  std::vector<Entry> entries;  // rising by path (bytewise); every folder but the root is one
  std::vector<Table> tables;   // rising by entry, at most one for each
  bool operator==(const Manifest&) const = default;

  uint64_t block_bytes() const { return uint64_t{limits::page_bytes} << block_log2; }
  uint32_t piece_count(const Content& content) const;
  /// Bytes of the piece of that number inside its content.
  uint64_t piece_bytes(const Content& content, uint32_t number) const;
  const Entry* find(std::string_view path) const;
  const Table* table_of(std::string_view path) const;
  /// Of all files together.
  uint64_t file_bytes() const;
  uint64_t file_count() const;
  /// Of all blocks' payloads: what travels and is stored.
  uint64_t payload_bytes() const;
};

/// The canonical bytes. The manifest must be a good one (check_manifest).
std::string manifest_bytes(const Manifest& manifest);
/// Reads what manifest_bytes wrote and checks all that check_manifest does: the bytes may come from
/// anybody. There are no two spellings of one manifest.
Result<Manifest> parse_manifest(std::string_view bytes);
/// Every rule that stands beside the fields above.
Result<void> check_manifest(const Manifest& manifest);
/// SHA-256 of the canonical bytes: the version's id.
ContentId version_id(const Manifest& manifest);
/// The same for versions with the same tree, however it is packed into blocks.
ContentId tree_id(const Manifest& manifest);

enum class Change : uint8_t { added, removed, changed };
struct Difference {
  Change change;
  std::string path;
  uint64_t size_before = 0, size_after = 0;
  bool operator==(const Difference&) const = default;
};
/// What differs between two trees, by path. Folders are named only where they come or go.
std::vector<Difference> differences(const Manifest& before, const Manifest& after);

}  // namespace troupe::dataset
