// Orders of epochs: exact, without overlap, the same everywhere, and as good as chance.
#include "storage/dataset/epoch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace troupe::dataset {
namespace {

using ::testing::ElementsAre;

std::vector<uint64_t> order_of(uint64_t count, uint64_t seed, uint64_t epoch) {
  Permutation permutation{count, seed, epoch};
  std::vector<uint64_t> order(count);
  for (uint64_t i = 0; i < count; ++i) order[i] = permutation(i);
  return order;
}

Shard open(uint64_t count, uint32_t rank, uint32_t ranks, Cursor from = {}, bool shuffle = true) {
  auto shard = Shard::open({count, rank, ranks, shuffle}, from);
  EXPECT_TRUE(shard);
  return *shard;
}

TEST(Permutation, VisitsEachOnce) {
  for (uint64_t count : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 255u, 1000u, 4096u, 60'000u, 65'537u}) {
    auto order = order_of(count, 7, count);
    std::sort(order.begin(), order.end());
    for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(order[i], i) << count;
  }
  // Too many to visit; still inside, and no two of a sample are one.
  Permutation large{(1ull << 40) + 12345, 1, 1};
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 10'000; ++i) {
    auto index = large(i * 100'000'007 % large.count());
    EXPECT_LT(index, large.count());
    EXPECT_TRUE(seen.insert(index).second);
  }
}

TEST(Permutation, StaysWhatItIs) {
  // Cursors in checkpoints rely on it.
  EXPECT_THAT(order_of(10, 42, 0), ElementsAre(1, 0, 5, 6, 7, 2, 3, 4, 8, 9));
  EXPECT_THAT(order_of(10, 42, 1), ElementsAre(9, 7, 4, 3, 6, 8, 5, 1, 2, 0));
}

TEST(Permutation, LooksLikeChance) {
  constexpr uint64_t count = 60'000, epochs = 50, bins = 20;
  // Where a record comes to stand is even over the epochs; neighbours do not stay neighbours.
  double chi = 0;
  uint64_t neighbours = 0, fixed = 0;
  std::vector<std::vector<uint64_t>> seen(bins, std::vector<uint64_t>(bins));
  for (uint64_t epoch = 0; epoch < epochs; ++epoch) {
    auto order = order_of(count, 99, epoch);
    for (uint64_t i = 0; i < count; ++i) {
      seen[i * bins / count][order[i] * bins / count] += 1;
      fixed += order[i] == i ? 1 : 0;
      if (i > 0) neighbours += order[i] == order[i - 1] + 1 || order[i] + 1 == order[i - 1] ? 1 : 0;
    }
  }
  double expected = static_cast<double>(count * epochs) / (bins * bins);
  for (const auto& row : seen)
    for (auto n : row) chi += std::pow(static_cast<double>(n) - expected, 2) / expected;
  // 19 x 19 degrees of freedom: mean 361, deviation 27; permutations vary a little less.
  EXPECT_LT(chi, 361 + 5 * 27);
  EXPECT_GT(chi, 361 - 6 * 27);
  EXPECT_NEAR(static_cast<double>(neighbours), 2.0 * epochs, 5 * std::sqrt(2.0 * epochs));
  EXPECT_NEAR(static_cast<double>(fixed), 1.0 * epochs, 5 * std::sqrt(1.0 * epochs));
}

TEST(Permutation, SmallOnesReachEveryOrder) {
  std::map<std::vector<uint64_t>, uint64_t> seen;
  for (uint64_t seed = 0; seed < 24'000; ++seed) seen[order_of(4, seed, 3)] += 1;
  EXPECT_EQ(seen.size(), 24u);
  for (const auto& [order, times] : seen) {
    EXPECT_GT(times, 600u);
    EXPECT_LT(times, 1500u);
  }
}

TEST(Permutation, SeedsAndEpochsAreNotEachOther) {
  EXPECT_NE(order_of(1000, 1, 2), order_of(1000, 2, 1));
  EXPECT_NE(order_of(1000, 1, 1), order_of(1000, 1, 2));
  EXPECT_NE(order_of(1000, 0, 0), order_of(1000, 1, 0));
  EXPECT_EQ(order_of(1000, 5, 6), order_of(1000, 5, 6));
}

TEST(Shard, TogetherTheyAreTheEpochWhateverTheirNumber) {
  for (uint64_t count : {0u, 1u, 7u, 100u, 1001u})
    for (uint32_t ranks : {1u, 2u, 3u, 8u, 200u}) {
      std::vector<uint64_t> all(count, 0);
      uint64_t least = UINT64_MAX, most = 0;
      for (uint32_t rank = 0; rank < ranks; ++rank) {
        auto shard = open(count, rank, ranks, {3, 4, 0});
        uint64_t given = 0;
        auto left = shard.left();
        while (auto index = shard.next()) {
          all[*index] += 1;
          given += 1;
        }
        EXPECT_EQ(given, left);
        EXPECT_FALSE(shard.next());
        least = std::min(least, given);
        most = std::max(most, given);
      }
      EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](uint64_t n) { return n == 1; }));
      EXPECT_LE(most - least, 1u);
    }
}

TEST(Shard, GoesOnWithAnotherNumberOfRanks) {
  constexpr uint64_t count = 1000;
  std::vector<uint64_t> order;
  Cursor cursor{11, 2, 0};
  for (uint32_t ranks : {4u, 3u, 7u, 1u}) {
    std::vector<Shard> shards;
    for (uint32_t rank = 0; rank < ranks; ++rank)
      shards.push_back(open(count, rank, ranks, cursor));
    for (int step = 0; step < 50; ++step)
      for (auto& shard : shards)
        if (auto index = shard.next()) order.push_back(*index);
    cursor = shards[0].cursor();
    for (auto& shard : shards) EXPECT_EQ(shard.cursor(), cursor);
  }
  EXPECT_EQ(order.size(), 50u * 15);
  auto expected = order_of(count, 11, 2);
  expected.resize(order.size());
  EXPECT_EQ(order, expected) << "as if one rank had read all the time";
}

TEST(Shard, EpochsFollowEachOther) {
  auto shard = open(10, 0, 1, {1, 0, 7});
  EXPECT_EQ(shard.left(), 3u);
  EXPECT_EQ(shard.peek(2), Permutation(10, 1, 0)(9));
  EXPECT_EQ(shard.peek(3), std::nullopt);
  while (shard.next()) {
  }
  EXPECT_EQ(shard.cursor(), (Cursor{1, 0, 10}));
  shard.next_epoch();
  EXPECT_EQ(shard.left(), 10u);
  EXPECT_EQ(shard.cursor(), (Cursor{1, 1, 0}));
  EXPECT_EQ(shard.next(), Permutation(10, 1, 1)(0));
  auto straight = open(3, 1, 2, {}, false);
  EXPECT_EQ(straight.next(), 1u);
  EXPECT_EQ(straight.next(), std::nullopt);
}

TEST(Shard, GivesSomeAtATime) {
  auto one = open(1000, 1, 3, {5, 6, 10}), many = open(1000, 1, 3, {5, 6, 10});
  uint64_t batch[64];
  while (auto some = many.next(batch, 64))
    for (size_t i = 0; i < some; ++i) ASSERT_EQ(one.next(), batch[i]);
  EXPECT_EQ(one.next(), std::nullopt);
  EXPECT_EQ(one.cursor(), many.cursor());
}

TEST(Shard, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(Shard::open({10, 2, 2, true}));
  EXPECT_FALSE(Shard::open({10, 0, 0, true}));
  EXPECT_FALSE(Shard::open({10, 0, 1, true}, {0, 0, 11}));
}

TEST(Cursor, GoesRoundAsText) {
  Cursor cursor{0xfedcba9876543210, 3, 60'000};
  EXPECT_EQ(to_string(cursor), "fedcba9876543210.3.ea60");
  EXPECT_EQ(*parse_cursor(to_string(cursor)), cursor);
  for (auto text : {"", "1", "1.2", "1.2.", "1.2.3.", "1.2.3.4", "x.2.3", " 1.2.3", "1.2.3 ",
                    "01.2.3", "-1.2.3", "1.2.ffffffffffffffff1", "A.2.3"})
    EXPECT_FALSE(parse_cursor(text)) << text;
}

}  // namespace
}  // namespace troupe::dataset
