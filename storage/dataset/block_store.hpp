// Blocks by content in `<dir>/blocks/`: where those of all versions lie that this machine keeps for
// good. Any thread. The folder belongs to us alone, so bytes are verified when they come in, not
// when they are read; whoever stores them further verifies them there.
#pragma once

#include "storage/blob_store.hpp"
#include "storage/dataset/packer.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

class BlockStore {
 public:
  static Result<BlockStore> open(const std::string& dir);

  bool has(const ContentId& id) const;
  /// The same, and from now on somebody counts on it.
  bool touch(const ContentId& id) const;
  /// Bytes of its payload. not_found where it is not stored.
  Result<uint64_t> size(const ContentId& id) const;
  /// Those that are not stored, in the order given; the others are counted on from now on.
  std::vector<ContentId> missing(const std::vector<ContentId>& ids) const;
  /// invalid where the bytes have another digest or are no whole pages. Durable once sync() of it
  /// has returned.
  Result<void> put(const ContentId& id, std::string_view payload) const;
  /// The same for bytes that the caller hashed itself.
  Result<void> put_verified(const ContentId& id, std::string_view payload) const;
  Result<void> sync(const std::vector<ContentId>& ids) const;
  /// The whole block. not_found where it is not stored.
  Result<std::string> get(const ContentId& id) const;
  /// Part of it: fills `to`. not_found; corrupt where the file is shorter.
  Result<void> read(const ContentId& id, uint64_t offset, char* to, size_t count) const;
  /// One that is not there is no error.
  Result<void> remove(const ContentId& id) const;
  using Time = storage::BlobStore::Time;
  /// Where nobody has counted on it since; whether it did.
  Result<bool> remove_older(const ContentId& id, Time than) const;
  /// The same by their digests in hexadecimal.
  const storage::BlobStore& blobs() const { return blobs_; }
  /// Moves it into a folder beside: from now on it is not here.
  Result<void> set_aside(const ContentId& id, const std::string& folder) const;
  using Use = std::function<void(const ContentId&, uint64_t bytes)>;
  /// Everything stored, in no order, with its bytes on disk.
  Result<void> for_each(const Use& use) const;
  /// The same, with the time at which somebody was last told that it is here.
  using TimedUse = std::function<void(const ContentId&, uint64_t bytes, Time)>;
  Result<void> for_each_timed(const TimedUse& use) const;
  /// Removes what a process that died left half written. Only while nobody puts.
  Result<void> sweep() const;

 private:
  explicit BlockStore(storage::BlobStore blobs) : blobs_{std::move(blobs)} {}
  storage::BlobStore blobs_;
};

/// Packs straight into a store.
class StoreSink final : public BlockSink {
 public:
  explicit StoreSink(const BlockStore& store) : store_{store} {}
  Result<void> put(const ContentId& id, std::string_view payload) override {
    return store_.put_verified(id, payload);
  }

 private:
  const BlockStore& store_;
};

}  // namespace troupe::dataset
