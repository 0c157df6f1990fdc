#include "storage/dataset/open_blocks.hpp"

#include <algorithm>

namespace troupe::dataset {

namespace {

// With 8 open blocks nearly all that is lost is the rounding to pages; with one, 4 to 9 % are lost
// at the ends of blocks.
constexpr size_t open_max = 8;

void pad(std::string& bytes, size_t to) {
  if (bytes.size() % to != 0) bytes.append(to - bytes.size() % to, '\0');
}

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

OpenBlocks::Open OpenBlocks::open() {
  Open opened{static_cast<uint32_t>(blocks_.size()), {}};
  opened.payload.reserve(size_t{pages_} * limits::page_bytes);
  blocks_.emplace_back();
  return opened;
}

Result<Piece> OpenBlocks::put_part(std::string_view bytes, bool tight) {
  if (tight) return put_tight(bytes);
  size_t capacity = size_t{pages_} * limits::page_bytes;
  auto fits = [&](const Open& open) { return open.payload.size() + bytes.size() <= capacity; };
  auto found = std::find_if(open_.begin(), open_.end(), fits);
  if (found == open_.end()) {
    if (open_.size() == open_max) {
      auto fullest = std::max_element(open_.begin(), open_.end(), [](const Open& a, const Open& b) {
        return a.payload.size() < b.payload.size();
      });
      auto closed = std::move(*fullest);
      open_.erase(fullest);
      TROUPE_TRY(close(std::move(closed)));
    }
    open_.push_back(open());
    found = open_.end() - 1;
  }
  Piece piece{found->number, static_cast<uint32_t>(found->payload.size())};
  found->payload += bytes;
  // Zeros: a file that is mapped shows what stands behind its end in its last page.
  pad(found->payload, limits::page_bytes);
  if (found->payload.size() == capacity) {
    auto closed = std::move(*found);
    open_.erase(found);
    TROUPE_TRY(close(std::move(closed)));
  }
  return piece;
}

Result<Piece> OpenBlocks::put_tight(std::string_view bytes) {
  size_t capacity = size_t{pages_} * limits::page_bytes;
  if (tight_ && tight_->payload.size() + bytes.size() > capacity) {
    auto closed = std::move(*tight_);
    tight_.reset();
    TROUPE_TRY(close(std::move(closed)));
  }
  if (!tight_) tight_ = open();
  Piece piece{tight_->number, static_cast<uint32_t>(tight_->payload.size())};
  tight_->payload += bytes;
  pad(tight_->payload, limits::tight_alignment);
  return piece;
}

Result<void> OpenBlocks::close(Open closed) {
  pad(closed.payload, limits::page_bytes);
  auto stored = store(closed.number, closed.payload);
  if (!stored) return std::move(stored).error();
  return ok();
}

Result<void> OpenBlocks::close_all() {
  for (auto& open : open_) TROUPE_TRY(close(std::move(open)));
  open_.clear();
  if (tight_) TROUPE_TRY(close(std::move(*tight_)));
  tight_.reset();
  return ok();
}

}  // namespace troupe::dataset
