// What the head keeps of datasets in `<dir>/data/`: their blocks, and the manifest of each version
// under its id; in `aside/` what was damaged. Reads from any thread; put_manifest and remove from
// one, collect from another.
#pragma once

#include "storage/dataset/block_store.hpp"
#include "storage/dataset/manifest.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace troupe::dataset {

class DatasetStore {
 public:
  static Result<DatasetStore> open(const std::string& dir);

  const BlockStore& blocks() const { return blocks_; }

  /// Stores a version whose blocks are all there; on return it is durable. invalid for a bad
  /// manifest or a block of another size, conflict where blocks are missing. Until it is settled
  /// nobody collects it: whoever stores it is about to give it a name.
  Result<Manifest> put_manifest(std::string_view bytes) const;
  /// It has its name now, or will have none.
  void settle(const ContentId& id) const;
  /// The canonical bytes; not_found, corrupt.
  Result<std::string> manifest_bytes(const ContentId& id) const;
  Result<Manifest> manifest(const ContentId& id) const;
  /// Forgets a version.
  Result<void> remove_manifest(const ContentId& id) const;
  /// Forgets a version, and with it the blocks that no other one names and nobody has counted on
  /// since it was stored. Those of `coming` stay: versions that are being stored need them.
  Result<void> remove_version(const ContentId& id, const std::vector<ContentId>& coming) const;
  /// Of the disk on which all of it lies, in bytes.
  struct Room {
    uint64_t free = 0;  // for us
    uint64_t total = 0;
  };
  Result<Room> room() const;
  /// Stores one whose name there is already, whether its blocks are here or not; durable.
  Result<void> restore_manifest(std::string_view bytes) const;
  /// Moves a damaged one aside.
  Result<void> set_aside_manifest(const ContentId& id) const;
  Result<void> set_aside_block(const ContentId& id) const;
  /// Of all manifests that are stored, whole or not.
  Result<std::vector<ContentId>> manifests() const;
  /// Bytes of what was moved aside.
  uint64_t aside_bytes() const;
  /// Removes what was moved aside before `than` (`dry_run`: does not); the bytes.
  uint64_t drop_aside(BlockStore::Time than, bool dry_run) const;

  using Named = std::unordered_set<ContentId, ContentIdHash>;
  struct Collected {
    std::vector<std::pair<ContentId, uint64_t>> manifests;  // with their bytes
    uint64_t blocks = 0, bytes = 0;
    std::string kept;  // why no block was removed; empty: it was looked for all
  };
  /// Removes manifests that have no name, then blocks that no manifest has any more: of both what
  /// nobody has counted on since `than`. A process that ends in the middle leaves manifests whole
  /// or gone, and blocks for the next time. `dry_run` removes nothing.
  Result<Collected> collect(BlockStore::Time than, bool dry_run,
                            const std::function<Result<Named>()>& named) const;

 private:
  DatasetStore(std::string manifests, BlockStore blocks)
      : manifests_{std::move(manifests)}, blocks_{std::move(blocks)} {}
  /// Manifests on their way to a name; shared by all copies of a store.
  struct Pending {
    std::mutex mutex;
    std::multiset<ContentId> ids;
  };
  std::string path_of(const ContentId& id) const;
  Result<Named> named_blocks() const;
  std::string aside() const { return manifests_ + "/../aside"; }
  Result<void> put_pending(const ContentId& version, std::string_view bytes,
                           const Manifest& manifest) const;
  Result<bool> remove_older(const ContentId& id, BlockStore::Time than, bool dry_run) const;
  Result<void> sync_manifests() const;
  std::string manifests_;
  BlockStore blocks_;
  std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
};

}  // namespace troupe::dataset
