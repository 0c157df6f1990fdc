#include "storage/dataset/block_store.hpp"

#include <fmt/format.h>

namespace troupe::dataset {

namespace {

constexpr size_t block_bytes_max = size_t{limits::page_bytes} << limits::block_log2_max;

}  // namespace

Result<BlockStore> BlockStore::open(const std::string& dir) {
  auto blobs = storage::BlobStore::open(dir + "/blocks", "block");
  if (!blobs) return std::move(blobs).error();
  return BlockStore{std::move(*blobs)};
}

bool BlockStore::has(const ContentId& id) const {
  return size(id).has_value();
}

bool BlockStore::touch(const ContentId& id) const {
  return blobs_.touch(to_string(id));
}

Result<uint64_t> BlockStore::size(const ContentId& id) const {
  return blobs_.size(to_string(id));
}

std::vector<ContentId> BlockStore::missing(const std::vector<ContentId>& ids) const {
  std::vector<ContentId> lacking;
  for (const auto& id : ids)
    if (!touch(id)) lacking.push_back(id);
  return lacking;
}

Result<void> BlockStore::put(const ContentId& id, std::string_view payload) const {
  bool whole = !payload.empty() && payload.size() % limits::page_bytes == 0 &&
               payload.size() <= block_bytes_max;
  if (!whole)
    return Error{Errc::invalid, "a block was refused",
                 fmt::format("it has {} bytes", payload.size()),
                 "blocks are whole pages, and at most 64 MiB"};
  return blobs_.put(to_string(id), payload);
}

Result<void> BlockStore::put_verified(const ContentId& id, std::string_view payload) const {
  return blobs_.put_verified(to_string(id), payload);
}

Result<void> BlockStore::sync(const std::vector<ContentId>& ids) const {
  std::vector<std::string> digests;
  digests.reserve(ids.size());
  for (const auto& id : ids) digests.push_back(to_string(id));
  return blobs_.sync(digests);
}

Result<std::string> BlockStore::get(const ContentId& id) const {
  auto chunk = blobs_.read(to_string(id), 0, block_bytes_max);
  if (!chunk) return std::move(chunk).error();
  return std::move(chunk->bytes);
}

Result<void> BlockStore::read(const ContentId& id, uint64_t offset, char* to, size_t count) const {
  return blobs_.read_exactly(to_string(id), offset, to, count);
}

Result<void> BlockStore::remove(const ContentId& id) const {
  return blobs_.remove(to_string(id));
}

Result<bool> BlockStore::remove_older(const ContentId& id, Time than) const {
  return blobs_.remove_older(to_string(id), than);
}

Result<void> BlockStore::set_aside(const ContentId& id, const std::string& folder) const {
  return blobs_.set_aside(to_string(id), folder);
}

Result<void> BlockStore::for_each(const Use& use) const {
  return for_each_timed([&](const ContentId& id, uint64_t bytes, Time) { use(id, bytes); });
}

Result<void> BlockStore::for_each_timed(const TimedUse& use) const {
  return blobs_.visit([&](const std::string& digest, uint64_t bytes, Time time) {
    if (auto id = content_id_from(digest)) use(*id, bytes, time);
  });
}

Result<void> BlockStore::sweep() const {
  return blobs_.sweep();
}

}  // namespace troupe::dataset
