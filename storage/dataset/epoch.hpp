// In which order an epoch visits the records: a permutation of all of them that follows from seed
// and epoch alone, cut into shards for ranks. Nothing is kept a record: position and index are
// computed from each other. Pure; const functions from any thread.
//
// Rank r of w visits the positions r, r + w, r + 2w, ...: together all of them, each once, whatever
// w is. So an epoch can go on with another number of ranks behind any position that all have
// passed.
#pragma once

#include "runtime/core/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::dataset {

/// A bijection of [0, count) onto itself: a Feistel network over the smallest number of bits that
/// holds `count`, walked until it lands inside, which takes two steps at most on average.
class Permutation {
 public:
  Permutation(uint64_t count, uint64_t seed, uint64_t epoch);
  uint64_t count() const { return count_; }
  /// `position` < count().
  uint64_t operator()(uint64_t position) const {
    do {
      position = mix(position);
    } while (position >= count_);
    return position;
  }

 private:
  uint64_t mix(uint64_t value) const;
  static constexpr unsigned rounds = 6;  // even: halves of unequal size end where they began
  uint64_t count_;
  unsigned low_bits_, high_bits_;
  std::array<uint64_t, rounds> keys_{};
};

/// Where a training stands: all that is needed to go on. 24 bytes as text() prints them, and no
/// secret: "seed.epoch.position" in hexadecimal.
struct Cursor {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t position = 0;  // of the epoch: all before it were delivered, by whichever rank
  bool operator==(const Cursor&) const = default;
};
std::string to_string(const Cursor& cursor);
Result<Cursor> parse_cursor(std::string_view text);

struct ShardOptions {
  uint64_t count = 0;  // records
  uint32_t rank = 0;
  uint32_t ranks = 1;
  bool shuffle = true;  // else in the order of the records
};

/// One rank's way through the epochs. One thread.
class Shard {
 public:
  /// invalid for a rank that is none and a cursor behind the end.
  static Result<Shard> open(ShardOptions options, Cursor from = {});

  /// The next record of this epoch; nothing at its end, and then next_epoch() begins another.
  std::optional<uint64_t> next();
  /// The next ones into `to`, at most so many; how many. 0 at the end of the epoch.
  size_t next(uint64_t* to, size_t count);
  /// The record that next() will give after `ahead` others, for prefetching.
  std::optional<uint64_t> peek(uint64_t ahead) const;
  void next_epoch();
  /// How many are left of this rank's epoch. Of two ranks they differ by one at most.
  uint64_t left() const;
  /// Behind what next() gave so far, if every rank got as many: take it where the ranks meet, for
  /// example with a checkpoint.
  Cursor cursor() const;

 private:
  Shard(ShardOptions options, Cursor from);
  ShardOptions options_;
  Cursor begin_;        // the position is where all ranks stood when this shard began
  uint64_t given_ = 0;  // since then
  Permutation permutation_;
};

}  // namespace troupe::dataset
