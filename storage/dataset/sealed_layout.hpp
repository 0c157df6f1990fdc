// How a version lies on a node: a folder named by its id, with
//
//   manifest     its canonical bytes
//
//   blocks.mdb   one LMDB file: blocks by number of arrival, payloads on page borders
//
//   files.erofs  the kernel's view of the files: names, addresses, bytes of small files
//
//   seal         which pages of blocks.mdb are LMDB's own, and their digest
//
// While it is filled the folder is called ID.fill and has `synced` instead of `seal`. Pure, but for
// reading the small files; any thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

struct SealedPaths {
  std::string folder;
  std::string manifest() const { return folder + "/manifest"; }
  std::string blocks() const { return folder + "/blocks.mdb"; }
  std::string image() const { return folder + "/files.erofs"; }
  std::string seal() const { return folder + "/seal"; }
  std::string synced() const { return folder + "/synced"; }
};
SealedPaths sealed_paths(const std::string& dir, const ContentId& version);
SealedPaths filling_paths(const std::string& dir, const ContentId& version);

/// What stands before each payload. Together with LMDB's own 16 bytes it is one page, so that the
/// payload begins on a page border of the file.
inline constexpr size_t block_head_bytes = limits::page_bytes - 16;
struct BlockHead {
  uint32_t block = 0;  // in Manifest::blocks
  uint32_t pages = 0;
  ContentId id;
  bool operator==(const BlockHead&) const = default;
};
std::array<char, block_head_bytes> head_bytes(const BlockHead& head);
std::optional<BlockHead> head_from(std::string_view bytes);

/// A key of blocks.mdb: numbers of arrival rise, so that LMDB appends, whatever order blocks come
/// in; the block's own number, so that a reader needs not look at its head.
std::array<char, 12> block_key(uint64_t arrival, uint32_t block);
struct BlockKey {
  uint64_t arrival;
  uint32_t block;
};
std::optional<BlockKey> block_key_from(std::string_view bytes);

/// At most so many bytes will blocks.mdb have.
uint64_t blocks_file_bytes_max(const Manifest& manifest, uint64_t commit_bytes);

/// Kept beside a sealed file, so that a reader knows that LMDB's pages are whole before LMDB walks
/// them: it would crash on damaged ones.
struct Seal {
  uint64_t pages = 0;                // of blocks.mdb
  std::vector<uint64_t> tree_pages;  // those that belong to no block, rising
  ContentId tree_id;                 // over these pages
  bool operator==(const Seal&) const = default;
};
std::string seal_bytes(const Seal& seal);
/// corrupt for anything that seal_bytes did not write.
Result<Seal> seal_from(std::string_view bytes, const std::string& path);

}  // namespace troupe::dataset
