// Reads and hashes all of a blob store, on several threads. Blocks as long as the disk takes.
#pragma once

#include "storage/blob_store.hpp"

#include <atomic>
#include <string>
#include <vector>

namespace troupe::storage {

struct BlobDamage {
  std::string digest;
  std::string detail;  // "its bytes have another digest", or why it cannot be read
};
struct BlobsChecked {
  uint64_t count = 0, bytes = 0;
  std::vector<BlobDamage> damage;  // by digest
};
/// What comes or goes meanwhile is looked at or not. unavailable where `stop` became true.
Result<BlobsChecked> check_blobs(const BlobStore& store, const std::atomic<bool>& stop,
                                 unsigned threads = 4);

}  // namespace troupe::storage
