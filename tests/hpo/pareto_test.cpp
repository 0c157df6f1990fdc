#include "hpo/pareto.hpp"

#include "hpo/nsga2.hpp"
#include "hpo/tpe.hpp"
#include "tests/hpo/search_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace troupe::hpo {
namespace {

TEST(Hypervolume, IsTheGoldenOne) {
  TROUPE_GOLDEN(golden, "hypervolume.json");
  for (const auto& one : at(golden, "cases").as_list()) {
    std::vector<Values> points;
    for (const auto& point : at(one, "points").as_list()) points.push_back(numbers(point));
    EXPECT_NEAR(hypervolume(points, numbers(at(one, "ref"))), at(one, "hypervolume").as_number(),
                1e-12);
  }
}

TEST(Hypervolume, CountsWhatIsBelowTheReferenceOnce) {
  EXPECT_EQ(hypervolume({}, {1, 1}), 0);
  EXPECT_EQ(hypervolume({{2, 0}, {0, 1}}, {1, 1}), 0);
  EXPECT_EQ(hypervolume({{0.5}}, {2}), 1.5);
  EXPECT_EQ(hypervolume({{0, 0}, {0, 0}, {0.5, 0.5}}, {1, 1}), 1);
  EXPECT_EQ(hypervolume({{0, 0, 0}, {0, 0, 0}}, {1, 2, 3}), 6);
}

TEST(Hypervolume, AgreesWithCountingPoints) {
  std::mt19937_64 random{2};
  auto uniform = [&] { return std::ldexp(static_cast<double>(random() >> 11), -53); };
  for (size_t objectives = 2; objectives <= 5; ++objectives) {
    std::vector<Values> points(8, Values(objectives));
    for (auto& point : points)
      for (auto& value : point) value = uniform();
    int inside = 0;
    constexpr int count = 20000;
    for (int i = 0; i < count; ++i) {
      Values at(objectives);
      for (auto& value : at) value = uniform();
      inside += std::any_of(points.begin(), points.end(), [&](const Values& point) {
        for (size_t k = 0; k < objectives; ++k)
          if (point[k] > at[k]) return false;
        return true;
      });
    }
    EXPECT_NEAR(hypervolume(points, Values(objectives, 1)), inside / double{count}, 0.02);
  }
}

TEST(Hypervolume, TheSubsetTakesWhatAddsMost) {
  std::vector<Values> points{{0.5, 0.5}, {0.49, 0.52}, {0.1, 0.9}, {0.9, 0.1}};
  EXPECT_EQ(hypervolume_subset(points, {1, 1}, 3), (std::vector<size_t>{0, 2, 3}));
  EXPECT_EQ(hypervolume_subset(points, {1, 1}, 9).size(), 4u);
  EXPECT_EQ(reference_beyond({{1, -1}, {0, -2}}), (Values{1.1, -0.9}));
}

TEST(Domination, RanksWithConstraintsAndFailures) {
  std::vector<Candidate> all{{{1, 4}}, {{2, 2}},      {{4, 1}},      {{2, 4}},
                             {{5, 5}}, {{0, 0}, 1.5}, {{0, 0}, 0.5}, {{}}};
  EXPECT_EQ(domination_ranks(all), (std::vector<uint32_t>{0, 0, 0, 1, 2, 4, 3, 5}));
  EXPECT_FALSE(dominates(all[0], all[0]));
}

TEST(Crowding, EndsAreInfiniteAndTheRestByNeighbours) {
  auto distances = crowding_distances({{0, 4}, {1, 2}, {2, 1}, {4, 0}});
  EXPECT_TRUE(std::isinf(distances[0]) && std::isinf(distances[3]));
  EXPECT_NEAR(distances[1], 2.0 / 4 + 3.0 / 4, 1e-15);
  EXPECT_NEAR(distances[2], 3.0 / 4 + 2.0 / 4, 1e-15);
  EXPECT_TRUE(crowding_distances({}).empty());
}

std::unique_ptr<Sampler> nsga2(Space space, SearchSettings settings) {
  Nsga2Settings small;
  small.population = 10;
  return make_nsga2_sampler(std::move(space), std::move(settings), small);
}

TEST(Nsga2, KeepsThePromisesOfASearch) {
  expect_promises(nsga2);
}

/// How much a search over two objectives dominates of [0, 4]^2 (Schaffer: x^2 against (x - 2)^2,
/// with others that only do harm).
double dominated(const SamplerMaker& make, uint64_t seed) {
  SearchSettings settings;
  settings.seed = seed;
  settings.maximize = {false, true};
  auto sampler = make(
      Space::make({range("x", -50.0, 50.0), range("y", 0.0, 1.0), choices("c", {"a", "b", "c"})})
          .value(),
      settings);
  std::vector<Values> found;
  for (uint64_t trial = 1; trial <= 150; ++trial) {
    Observation made;
    made.trial = trial;
    made.point = sampler->suggest(trial).value();
    sampler->observe(made);
    const double x = made.point.at("x").as_number();
    const double harm = made.point.at("y").as_number() + (made.point.at("c") == Value{"b"} ? 0 : 1);
    made.values = {x * x + harm, -(x - 2) * (x - 2) - harm};
    found.push_back({made.values[0], -made.values[1]});
    made.outcome = Outcome::completed;
    sampler->observe(made);
  }
  return hypervolume(found, {4, 4});
}

TEST(SeveralObjectives, AreSearchedBetterThanByChance) {
  auto tpe = [](Space space, SearchSettings settings) {
    return make_tpe_sampler(std::move(space), std::move(settings));
  };
  auto by_chance = [](Space space, SearchSettings settings) {
    TpeSettings random;
    random.start_trials = UINT64_MAX;
    return make_tpe_sampler(std::move(space), std::move(settings), random);
  };
  double least = 0, genetic = 0, parzen = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    least += dominated(by_chance, seed);
    genetic += dominated(nsga2, seed);
    parzen += dominated(tpe, seed);
  }
  EXPECT_GT(genetic, 1.5 * least);
  EXPECT_GT(parzen, 1.5 * least);
}

TEST(TpeSplit, OfSeveralObjectivesTakesFrontsThenVolume) {
  TrialLedger ledger{{false, false}};
  auto add = [&](uint64_t number, std::vector<double> values) {
    ledger.take({number, Outcome::completed, {}, std::move(values)}, {0});
  };
  add(1, {0.5, 0.5});
  add(2, {0.49, 0.52});
  add(3, {0.1, 0.9});
  add(4, {0.9, 0.1});
  for (uint64_t i = 5; i <= 30; ++i) add(i, {2 + static_cast<double>(i), 2});
  std::vector<uint64_t> good;
  for (const auto* trial : tpe_split(ledger, true).good) good.push_back(trial->number);
  EXPECT_EQ(good, (std::vector<uint64_t>{1, 3, 4}));
}

}  // namespace
}  // namespace troupe::hpo
