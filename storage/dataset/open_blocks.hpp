// The blocks of a version while it is packed: a few that still have room, first fit, one for small
// contents, and all that are closed. Closed ones go to the sink unless their bytes are known.
// One thread.
#pragma once

#include "storage/dataset/packer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::dataset {

class OpenBlocks {
 public:
  OpenBlocks(uint8_t block_log2, BlockSink& sink) : pages_{1u << block_log2}, sink_{sink} {}

  /// A block that needs not be handed out: the next number is its own.
  void adopt(const Block& block);
  /// A piece as large as a block is a block; its number.
  Result<uint32_t> put_full(std::string_view bytes);
  /// A smaller piece, not empty: where it will lie. `tight`: on any multiple of 8.
  Result<Piece> put_part(std::string_view bytes, bool tight);
  Result<void> close_all();

  /// Id and pages are known once it is closed.
  const Block& block(uint32_t number) const { return blocks_[number]; }
  uint64_t handed_blocks() const { return handed_blocks_; }
  uint64_t handed_bytes() const { return handed_bytes_; }

 private:
  struct Open {
    uint32_t number;
    std::string payload;
  };
  Result<Piece> put_tight(std::string_view bytes);
  Open open();
  Result<uint32_t> store(uint32_t number, std::string_view payload);
  Result<void> close(Open closed);

  const uint32_t pages_;
  BlockSink& sink_;
  std::vector<Block> blocks_;
  std::unordered_map<ContentId, uint32_t, ContentIdHash> numbers_;  // of full and adopted blocks
  std::vector<Open> open_;                                          // oldest first
  std::optional<Open> tight_;  // apart: nothing may stand behind a file in its last page
  uint64_t handed_blocks_ = 0, handed_bytes_ = 0;
};

}  // namespace troupe::dataset
