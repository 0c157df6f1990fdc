// A version on this node, open for reading: its manifest, and where the payload of each block is in
// memory. Never written, never locked, and open once in a process however often it is asked for
// (LMDB must not have a file twice in one process). What was read from it stays good as long as the
// SealedFile does: hold the pointer. Any thread.
#pragma once

#include "storage/dataset/block_walk.hpp"
#include "storage/dataset/manifest.hpp"
#include "storage/dataset/sealed_layout.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

class SealedFile {
 public:
  /// `folder` is `<dir>/<id>`. not_found where there is none; corrupt where LMDB's own pages, the
  /// manifest or the length are not what was sealed (payloads are not looked at: check_sealed
  /// does).
  static Result<std::shared_ptr<const SealedFile>> open(const std::string& folder);
  ~SealedFile();
  SealedFile(const SealedFile&) = delete;
  SealedFile& operator=(const SealedFile&) = delete;

  const Manifest& manifest() const { return manifest_; }
  const ContentId& version() const { return version_; }
  const SealedPaths& paths() const { return paths_; }
  /// The payload, on a page border.
  std::string_view block(uint32_t number) const {
    return {walk_.payloads[number], manifest_.blocks[number].bytes()};
  }
  /// The page of blocks.mdb on which its payload begins.
  uint64_t payload_page(uint32_t number) const { return walk_.page(number); }
  uint64_t blocks_file_bytes() const { return file_bytes_; }
  /// All of blocks.mdb as it is mapped, for those who say where something is by its distance from
  /// the begin. Empty where there are no blocks.
  std::string_view mapping() const { return {walk_.base, walk_.base == nullptr ? 0 : file_bytes_}; }
  /// A piece of a content: at most a block, in one stretch.
  std::string_view piece(const Content& content, uint32_t number) const;
  /// Copies bytes of a content, across pieces; the range must lie inside it.
  void copy(const Content& content, uint64_t offset, char* to, size_t count) const;

  /// Brings all of it into memory, so that the first pass does not wait for one page after the
  /// other. Takes as long as reading the file.
  Result<void> populate() const;

 private:
  struct Environment;
  SealedFile() = default;
  Result<void> load(const std::string& folder);
  Result<void> check_tree(int fd) const;

  SealedPaths paths_;
  ContentId version_;
  Manifest manifest_;
  std::unique_ptr<Environment> environment_;
  BlockWalk walk_;
  uint64_t file_bytes_ = 0;
};

}  // namespace troupe::dataset
