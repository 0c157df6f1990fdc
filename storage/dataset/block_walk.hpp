// Where LMDB has put the payload of each block: one walk over its tree. Any thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <lmdb.h>

#include <string>
#include <vector>

namespace troupe::dataset {

struct BlockWalk {
  const char* base = nullptr;         // of the mapping; null where there are no blocks
  std::vector<const char*> payloads;  // by block; good as long as the transaction
  uint64_t page(uint32_t block) const {
    return static_cast<uint64_t>(payloads[block] - base) / limits::page_bytes;
  }
};

/// corrupt unless the file holds exactly the blocks of the manifest, each inside `file_bytes`.
Result<BlockWalk> walk_blocks(MDB_txn* txn, const Manifest& manifest, uint64_t file_bytes,
                              const std::string& path);

}  // namespace troupe::dataset
