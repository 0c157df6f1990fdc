#include "hpo/sobol.hpp"

#include "tests/hpo/hpo_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace troupe::hpo {
namespace {

TEST(Sobol, PlainPointsAreTheGoldenOnes) {
  TROUPE_GOLDEN(golden, "sobol_unscrambled.json");
  auto axes = sobol_axes(static_cast<size_t>(at(golden, "dims").as_int())).value();
  const auto& points = at(golden, "points").as_list();
  ASSERT_EQ(points.size(), 32u);
  for (size_t k = 0; k < points.size(); ++k)
    for (size_t i = 0; i < axes.size(); ++i)
      EXPECT_EQ(axes[i].at(k), points[k].as_list()[i].as_number()) << k << " " << i;
}

TEST(Sobol, EveryAxisFillsEachCellOnceScrambledOrNot) {
  auto axes = sobol_axes(400).value();
  for (size_t i = 0; i < axes.size(); i += 13)
    for (const auto& axis : {axes[i], axes[i].scrambled(5, i), axes[i].scrambled(6, i)}) {
      std::set<int> cells;
      for (uint64_t k = 0; k < 256; ++k) cells.insert(static_cast<int>(axis.at(k) * 256));
      EXPECT_EQ(cells.size(), 256u) << i;
    }
}

TEST(Sobol, ScramblingDependsOnSeedAndNameAndIsUnbiased) {
  auto axis = sobol_axes(3).value()[2];
  EXPECT_EQ(axis.scrambled(1, 2).at(9), axis.scrambled(1, 2).at(9));
  EXPECT_NE(axis.scrambled(1, 2).at(9), axis.scrambled(1, 3).at(9));
  EXPECT_NE(axis.scrambled(1, 2).at(9), axis.scrambled(2, 2).at(9));
  double sum = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) sum += axis.scrambled(seed, 1).at(5);
  EXPECT_NEAR(sum / 4000, 0.5, 4 * std::sqrt(1.0 / 12 / 4000));
}

// In two dimensions every elementary interval of volume 2^-8 holds one of 256 points.
TEST(Sobol, TwoDimensionsStayANetWhenScrambled) {
  auto axes = sobol_axes(2).value();
  auto a = axes[0].scrambled(9, 1), b = axes[1].scrambled(9, 2);
  for (int split = 0; split <= 8; ++split) {
    std::set<std::pair<int, int>> cells;
    for (uint64_t k = 0; k < 256; ++k)
      cells.emplace(static_cast<int>(std::ldexp(a.at(k), split)),
                    static_cast<int>(std::ldexp(b.at(k), 8 - split)));
    EXPECT_EQ(cells.size(), 256u) << split;
  }
}

TEST(SobolSampler, TrialsDependOnTheirNumberAlone) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 300; ++i) parameters.push_back(range("p" + std::to_string(i), 0.0, 1.0));
  auto space = Space::make(parameters).value();
  auto a = make_sobol_sampler(space, 3, 50).value(), b = make_sobol_sampler(space, 3, {}).value();
  std::vector<Point> points;
  for (uint64_t k = 1; k <= 50; ++k) points.push_back(a->suggest(k).value());
  for (uint64_t k = 50; k >= 1; --k) EXPECT_EQ(b->suggest(k).value(), points[k - 1]);
  EXPECT_FALSE(a->suggest(51));
  EXPECT_FALSE(a->suggest(0));
  EXPECT_TRUE(b->suggest(uint64_t{1} << 40));
}

TEST(SobolSampler, FiniteSpacesAreDrawnOutWithoutRepeating) {
  std::mt19937_64 random{8};
  for (int i = 0; i < 40; ++i) {
    auto space = Space::make({range("i", 1, 1 + static_cast<int64_t>(random() % 9)),
                              range("n", 1, 16, {}, {}, true), choices("c", {"a", "b", "c"})})
                     .value();
    auto sampler = make_sobol_sampler(space, random(), {}).value();
    ASSERT_EQ(sampler->size(), space.size());
    std::set<std::string> seen;
    for (uint64_t k = *sampler->size(); k >= 1; --k)
      seen.insert(identity(sampler->suggest(k).value()));
    EXPECT_EQ(seen.size(), *space.size());
  }
}

TEST(SobolSampler, TooManyParametersAreRefused) {
  EXPECT_FALSE(sobol_axes(sobol_dimensions_max + 1));
  EXPECT_TRUE(sobol_axes(sobol_dimensions_max));
  EXPECT_TRUE(sobol_axes(0));
}

}  // namespace
}  // namespace troupe::hpo
