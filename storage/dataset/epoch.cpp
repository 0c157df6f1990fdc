#include "storage/dataset/epoch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

namespace troupe::dataset {

namespace {

/// SplitMix64's finaliser: every bit of the input moves every bit of the output.
uint64_t scramble(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

constexpr uint64_t golden = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio, SplitMix64's step

}  // namespace

Permutation::Permutation(uint64_t count, uint64_t seed, uint64_t epoch) : count_{count} {
  auto bits = std::max(static_cast<unsigned>(std::bit_width(count > 0 ? count - 1 : 0)), 2u);
  low_bits_ = bits / 2;
  high_bits_ = bits - low_bits_;
  auto state = scramble(seed + golden) ^ scramble(scramble(epoch + 2 * golden));
  for (auto& key : keys_) key = scramble(state += golden);
}

uint64_t Permutation::mix(uint64_t value) const {
  auto high = value >> low_bits_, low = value & ((uint64_t{1} << low_bits_) - 1);
  auto high_bits = high_bits_, low_bits = low_bits_;
  for (auto key : keys_) {
    // The high bits of the product depend on all bits of the half.
    auto mixed = (low + key) * golden;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
    auto next = high ^ mixed >> (64 - high_bits);
    high = low;
    low = next;
    std::swap(high_bits, low_bits);
  }
  return high << low_bits_ | low;
}

std::string to_string(const Cursor& cursor) {
  return fmt::format("{:x}.{:x}.{:x}", cursor.seed, cursor.epoch, cursor.position);
}

Result<Cursor> parse_cursor(std::string_view text) {
  Cursor cursor;
  const auto* at = text.data();
  const auto* end = at + text.size();
  bool good = true;
  for (auto* field : {&cursor.seed, &cursor.epoch, &cursor.position}) {
    if (field != &cursor.seed) good = good && at != end && *at++ == '.';
    if (!good) break;
    auto [next, code] = std::from_chars(at, end, *field, 16);
    good = code == std::errc{};
    at = next;
  }
  if (good && at == end && to_string(cursor) == text) return cursor;
  return Error{Errc::invalid, "the cursor cannot be read",
               fmt::format("\"{}\" is not three hexadecimal numbers with points between them",
                           text.substr(0, 60)),
               "give what the reader printed, or start the epoch anew"};
}

Shard::Shard(ShardOptions options, Cursor from)
    : options_{options}, begin_{from}, permutation_{options.count, from.seed, from.epoch} {}

Result<Shard> Shard::open(ShardOptions options, Cursor from) {
  if (options.ranks == 0 || options.rank >= options.ranks)
    return Error{Errc::invalid, "the shard cannot be opened",
                 fmt::format("rank {} of {} ranks", options.rank, options.ranks),
                 "ranks count from 0"};
  if (from.position > options.count)
    return Error{Errc::invalid, "the cursor does not fit the dataset",
                 fmt::format("it stands at {} of {} records", from.position, options.count),
                 "use it with the version it was made with"};
  return Shard{options, from};
}

std::optional<uint64_t> Shard::peek(uint64_t ahead) const {
  if (ahead >= left()) return std::nullopt;
  auto position = begin_.position + options_.rank + (given_ + ahead) * options_.ranks;
  return options_.shuffle ? permutation_(position) : position;
}

std::optional<uint64_t> Shard::next() {
  auto index = peek(0);
  given_ += index ? 1 : 0;
  return index;
}

size_t Shard::next(uint64_t* to, size_t count) {
  count = static_cast<size_t>(std::min<uint64_t>(count, left()));
  auto position = begin_.position + options_.rank + given_ * options_.ranks;
  for (size_t i = 0; i < count; ++i, position += options_.ranks)
    to[i] = options_.shuffle ? permutation_(position) : position;
  given_ += count;
  return count;
}

uint64_t Shard::left() const {
  auto first = begin_.position + options_.rank;
  if (first >= options_.count) return 0;
  return (options_.count - first + options_.ranks - 1) / options_.ranks - given_;
}

Cursor Shard::cursor() const {
  auto cursor = begin_;
  cursor.position = std::min(begin_.position + given_ * options_.ranks, options_.count);
  return cursor;
}

void Shard::next_epoch() {
  begin_.epoch += 1;
  begin_.position = 0;
  given_ = 0;
  permutation_ = Permutation{options_.count, begin_.seed, begin_.epoch};
}

}  // namespace troupe::dataset
