#include "hpo/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace troupe::hpo {
namespace {

// The vectors published with the algorithm's reference implementation (philox4x32, 10 rounds).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Draws, DependOnSeedTrialAndNameAlone) {
  Draws a{1, 2, 3}, b{1, 2, 3};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.bits(), b.bits());
  std::set<uint64_t> first;
  for (uint64_t i = 0; i < 100; ++i) {
    first.insert(Draws(i, 0, 0).bits());
    first.insert(Draws(1000, i, 0).bits());
    first.insert(Draws(1000, 1000, i).bits());
  }
  EXPECT_EQ(first.size(), 300u);
}

/// Upper 0.999 point of chi-square, Wilson and Hilferty's approximation.
double chi_square_limit(double freedom) {
  double a = 2 / (9 * freedom);
  return freedom * std::pow(1 - a + 3.09 * std::sqrt(a), 3);
}

TEST(Draws, UniformAndBelowAreEven) {
  constexpr int cells = 50, count = 50000;
  std::vector<int> uniform(cells), below(cells);
  for (int i = 0; i < count; ++i) {
    Draws draws{42, static_cast<uint64_t>(i), name_hash("lr")};
    auto value = draws.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++uniform[static_cast<size_t>(value * cells)];
    ++below[draws.below(cells)];
  }
  for (const auto& counts : {uniform, below}) {
    double sum = 0, expected = static_cast<double>(count) / cells;
    for (int n : counts) sum += (n - expected) * (n - expected) / expected;
    EXPECT_LT(sum, chi_square_limit(cells - 1));
  }
}

TEST(Permutation, IsOneToOneAndDependsOnTheSeed) {
  for (uint64_t size = 1; size < 200; ++size)
    for (uint64_t seed = 0; seed < 5; ++seed) {
      Permutation order{seed, size};
      std::set<uint64_t> seen;
      for (uint64_t i = 0; i < size; ++i) seen.insert(order(i));
      ASSERT_EQ(seen.size(), size);
      ASSERT_LT(*seen.rbegin(), size);
    }
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 200; ++seed) firsts.insert(Permutation{seed, 1000}(0));
  EXPECT_GT(firsts.size(), 150u);
  for (auto size : {uint64_t{1} << 62, UINT64_MAX}) EXPECT_LT(Permutation(3, size)(size - 1), size);
}

TEST(Permutation, EveryFirstIsAsLikely) {
  constexpr uint64_t size = 12, count = 12000;
  std::vector<double> counts(size);
  for (uint64_t seed = 0; seed < count; ++seed) ++counts[Permutation{seed, size}(0)];
  double sum = 0, expected = static_cast<double>(count) / size;
  for (double n : counts) sum += (n - expected) * (n - expected) / expected;
  EXPECT_LT(sum, chi_square_limit(size - 1));
}

}  // namespace
}  // namespace troupe::hpo
