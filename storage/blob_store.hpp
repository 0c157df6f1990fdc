// Bytes by content: each once in `<root>/ab/<digest>`, its name the SHA-256. Code files and blocks
// of datasets lie in such folders. Safe from any thread: everything is written in
// `<root>/unfinished` and renamed, and equal names have equal bytes.
//
// Whoever is told that a blob is here counts on it: its time becomes now, and what is collected is
// older than a time that lies before whoever needed it was asked for. Copies of a store share the
// lock that makes this one step; other processes may only read.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace troupe::storage {

struct BlobChunk {
  std::string bytes;
  uint64_t size = 0;  // of the whole blob
};

using FileTime = std::chrono::system_clock::time_point;
FileTime time_of(const struct stat& info);

/// Bytes in a folder that damaged files were moved to (BlobStore::set_aside) before that time; they
/// go, unless `dry_run`.
uint64_t drop_aside(const std::string& folder, FileTime than, bool dry_run);

class BlobStore {
 public:
  /// `what` names one of them in errors: "code file".
  static Result<BlobStore> open(std::string root, std::string what);

  using Time = FileTime;

  /// Those that are not stored yet, each once, in the order given; the others become young. invalid
  /// for what is no digest.
  Result<std::vector<std::string>> missing(const std::vector<std::string>& digests) const;
  /// invalid where the bytes do not have this digest. Durable only after sync.
  Result<void> put(const std::string& digest, std::string_view bytes) const;
  /// The same for bytes that the caller hashed itself.
  Result<void> put_verified(const std::string& digest, std::string_view bytes) const;
  /// The same as put where what is stored is damaged: in its place.
  Result<void> mend(const std::string& digest, std::string_view bytes) const;
  /// What was put under these digests survives a power cut.
  Result<void> sync(std::span<const std::string> digests) const;
  /// not_found where it is not stored; beyond the end no bytes.
  Result<BlobChunk> read(const std::string& digest, uint64_t offset, uint32_t limit) const;
  /// Part of it: fills `to`. corrupt where the file is shorter.
  Result<void> read_exactly(const std::string& digest, uint64_t offset, char* to,
                            size_t count) const;
  /// Of the whole blob; not_found where it is not stored.
  Result<uint64_t> size(const std::string& digest) const;
  /// Whether it is here; then somebody counts on it from now on.
  bool touch(const std::string& digest) const;
  /// One that is not there is no error.
  Result<void> remove(const std::string& digest) const;
  /// Removes it where nobody has counted on it since; whether it did.
  Result<bool> remove_older(const std::string& digest, Time than) const;
  /// Reads all of it. corrupt where its bytes have another digest; not_found.
  Result<void> check(const std::string& digest) const;
  /// Moves it into a folder on the same disk: from now on it is not here.
  Result<void> set_aside(const std::string& digest, const std::string& folder) const;
  /// Calls `each` for every blob, in no order.
  Result<void> visit(
      const std::function<void(const std::string& digest, uint64_t size, Time time)>& each) const;
  /// Removes what a process that died left half written. Only while nobody puts; its time does not
  /// grow with what is stored.
  Result<void> sweep() const;
  /// Where a blob's file would lie; empty for what is no digest.
  std::string path(std::string_view digest) const;

 private:
  BlobStore(std::string root, std::string what) : root_{std::move(root)}, what_{std::move(what)} {}
  Result<void> check_bytes(const std::string& digest, std::string_view bytes) const;
  Result<void> write(const std::string& digest, std::string_view bytes) const;
  Error no_digest(std::string_view text) const;
  Error not_stored(const std::string& digest) const;
  Result<UniqueFd> open_blob(const std::string& digest) const;
  Result<void> read_at(const UniqueFd& fd, uint64_t offset, char* to, size_t count) const;
  std::string root_, what_;
  std::shared_ptr<std::mutex> touching_ = std::make_shared<std::mutex>();
};

}  // namespace troupe::storage
