#include "storage/dataset/block_walk.hpp"

#include "storage/dataset/lmdb_error.hpp"
#include "storage/dataset/sealed_layout.hpp"

#include <fmt/format.h>

#include <cstring>

namespace troupe::dataset {

Result<BlockWalk> walk_blocks(MDB_txn* txn, const Manifest& manifest, uint64_t file_bytes,
                              const std::string& path) {
  MDB_dbi table = 0;
  MDB_cursor* cursor = nullptr;
  int code = mdb_dbi_open(txn, nullptr, 0, &table);
  if (code == 0) code = mdb_cursor_open(txn, table, &cursor);
  if (code != 0) return lmdb_error(code, fmt::format("{} cannot be read", path));
  BlockWalk walk;
  auto& payloads = walk.payloads;
  payloads.assign(manifest.blocks.size(), nullptr);
  MDB_val key{}, value{};
  bool good = true;
  for (code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == 0;
       code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    auto parsed = block_key_from({static_cast<const char*>(key.mv_data), key.mv_size});
    good = parsed && parsed->block < payloads.size() && payloads[parsed->block] == nullptr &&
           value.mv_size == block_head_bytes + manifest.blocks[parsed->block].bytes();
    if (!good) break;
    payloads[parsed->block] = static_cast<const char*>(value.mv_data) + block_head_bytes;
    if (walk.base == nullptr) {
      // The page that the key lies on says its own number: how far the mapping's begin is away.
      auto inside = reinterpret_cast<uintptr_t>(key.mv_data) % limits::page_bytes;
      const auto* page = static_cast<const char*>(key.mv_data) - inside;
      uint64_t number = 0;
      std::memcpy(&number, page, sizeof number);
      walk.base = page - number * limits::page_bytes;
    }
  }
  mdb_cursor_close(cursor);
  if (code != 0 && code != MDB_NOTFOUND)
    return lmdb_error(code, fmt::format("{} cannot be read", path));
  for (size_t i = 0; i < payloads.size() && good; ++i)
    good =
        payloads[i] != nullptr && payloads[i] > walk.base &&
        static_cast<uint64_t>(payloads[i] - walk.base) + manifest.blocks[i].bytes() <= file_bytes;
  if (good) return walk;
  return Error{Errc::corrupt, fmt::format("{} is damaged", path),
               "it does not hold the blocks of its manifest",
               "remove this version from the node; it is filled again when it is needed"};
}

}  // namespace troupe::dataset
