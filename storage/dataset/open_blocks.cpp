#include "storage/dataset/open_blocks.hpp"

#include <algorithm>

namespace troupe::dataset {

namespace {

// With 8 open blocks nearly all that is lost is the rounding to pages; with one, 4 to 9 % are lost
// at the ends of blocks.
constexpr size_t open_max = 8;

}  // namespace

void OpenBlocks::adopt(const Block& block) {
  numbers_.try_emplace(block.id, static_cast<uint32_t>(blocks_.size()));
  blocks_.push_back(block);
}

Result<uint32_t> OpenBlocks::store(uint32_t number, std::string_view payload) {
  auto id = content_id_of(payload);
  auto& block = blocks_[number];
  block = {id, static_cast<uint32_t>(payload.size() / limits::page_bytes)};
  auto [found, is_new] = numbers_.try_emplace(id, number);
  if (!is_new) return found->second;
  TROUPE_TRY(sink_.put(id, payload));
  handed_blocks_ += 1;
  handed_bytes_ += payload.size();
  return number;
}

Result<uint32_t> OpenBlocks::put_full(std::string_view bytes) {
  blocks_.emplace_back();
  return store(static_cast<uint32_t>(blocks_.size() - 1), bytes);
}

Result<Piece> OpenBlocks::put_part(std::string_view bytes) {
  size_t capacity = size_t{pages_} * limits::page_bytes;
  auto fits = [&](const Open& open) { return open.payload.size() + bytes.size() <= capacity; };
  auto found = std::find_if(open_.begin(), open_.end(), fits);
  if (found == open_.end()) {
    if (open_.size() == open_max) {
      auto fullest = std::max_element(open_.begin(), open_.end(), [](const Open& a, const Open& b) {
        return a.payload.size() < b.payload.size();
      });
      TROUPE_TRY(close(static_cast<size_t>(fullest - open_.begin())));
    }
    open_.push_back({static_cast<uint32_t>(blocks_.size()), {}});
    open_.back().payload.reserve(capacity);
    blocks_.emplace_back();
    found = open_.end() - 1;
  }
  Piece piece{found->number, static_cast<uint32_t>(found->payload.size() / limits::page_bytes)};
  found->payload += bytes;
  // Zeros: a file that is mapped shows what stands behind its end in its last page.
  auto rest = found->payload.size() % limits::page_bytes;
  if (rest != 0) found->payload.append(limits::page_bytes - rest, '\0');
  if (found->payload.size() == capacity)
    TROUPE_TRY(close(static_cast<size_t>(found - open_.begin())));
  return piece;
}

Result<void> OpenBlocks::close(size_t index) {
  auto open = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  auto stored = store(open.number, open.payload);
  if (!stored) return std::move(stored).error();
  return ok();
}

Result<void> OpenBlocks::close_all() {
  while (!open_.empty()) TROUPE_TRY(close(0));
  return ok();
}

}  // namespace troupe::dataset
