// What the head keeps of datasets in `<dir>/data/`: their blocks, and the manifest of each version
// under its id. Reads from any thread; put_manifest and remove from one.
#pragma once

#include "storage/dataset/block_store.hpp"
#include "storage/dataset/manifest.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

class DatasetStore {
 public:
  static Result<DatasetStore> open(const std::string& dir);

  const BlockStore& blocks() const { return blocks_; }

  /// Stores a version whose blocks are all there; on return it is durable. invalid for a bad
  /// manifest or a block of another size, conflict where blocks are missing.
  Result<Manifest> put_manifest(std::string_view bytes) const;
  /// The canonical bytes; not_found, corrupt.
  Result<std::string> manifest_bytes(const ContentId& id) const;
  Result<Manifest> manifest(const ContentId& id) const;
  /// Forgets a version.
  Result<void> remove_manifest(const ContentId& id) const;
  /// Removes the blocks that no stored version names and that are older than `age`: younger ones
  /// may belong to a push that has not ended. Answers the bytes that were freed.
  Result<uint64_t> collect(std::chrono::seconds age) const;

 private:
  DatasetStore(std::string manifests, BlockStore blocks)
      : manifests_{std::move(manifests)}, blocks_{std::move(blocks)} {}
  std::string path_of(const ContentId& id) const;
  std::string manifests_;
  BlockStore blocks_;
};

}  // namespace troupe::dataset
