#include "hpo/tpe.hpp"

#include "tests/hpo/search_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace troupe::hpo {
namespace {

SamplerMaker tpe(bool multivariate) {
  return [multivariate](Space space, SearchSettings settings) {
    TpeSettings tpe;
    tpe.multivariate = multivariate;
    return make_tpe_sampler(std::move(space), std::move(settings), tpe);
  };
}

TEST(Tpe, GoodCounts) {
  std::vector<std::pair<uint64_t, uint64_t>> expected{{0, 0},    {1, 1},    {5, 1},    {10, 1},
                                                      {11, 2},   {25, 3},   {100, 10}, {240, 24},
                                                      {241, 25}, {250, 25}, {1000, 25}};
  for (auto [finished, good] : expected) EXPECT_EQ(tpe_good_count(finished), good) << finished;
}

TEST(Tpe, SplitsByClassThenValue) {
  TrialLedger ledger{{false}};
  auto add = [&](uint64_t number, Outcome outcome, std::vector<double> values, double step = 0,
                 double violation = 0) {
    ledger.take({number, outcome, {}, std::move(values), step, violation},
                {static_cast<double>(number)});
  };
  add(1, Outcome::completed, {5});
  add(2, Outcome::stopped, {1}, 3);
  add(3, Outcome::stopped, {9}, 7);
  add(4, Outcome::completed, {7});
  add(5, Outcome::failed, {});
  add(6, Outcome::running, {});
  add(7, Outcome::completed, {1}, 0, 2.5);  // breaks a constraint
  add(8, Outcome::cancelled, {0});
  add(9, Outcome::completed, {std::nan("")});  // as good as failed
  for (uint64_t i = 10; i < 30; ++i) add(i, Outcome::completed, {100});
  auto numbers_of = [](const std::vector<const Trial*>& trials) {
    std::vector<uint64_t> out;
    for (const auto* trial : trials) out.push_back(trial->number);
    return out;
  };
  auto split = tpe_split(ledger, true);
  EXPECT_EQ(numbers_of(split.good), (std::vector<uint64_t>{1, 4, 10}));  // of 25 finished
  EXPECT_EQ(split.bad.size(), 25u);                                      // no cancelled one
  EXPECT_EQ(tpe_split(ledger, false).bad.size(), 24u);
}

TEST(Tpe, KeepsThePromisesOfASearch) {
  for (bool multivariate : {false, true}) expect_promises(tpe(multivariate));
}

TEST(Tpe, FindsTheBottomOfABowlBetterThanRandom) {
  std::vector<Parameter> space{range("x", -5.0, 5.0), range("y", 1e-4, 1.0, {}, {}, true),
                               range("n", 1, 50), choices("c", {"a", "b", "c", "d"})};
  auto bowl = [](const Point& point) {
    double x = point.at("x").as_number() - 1, y = std::log10(point.at("y").as_number()) + 2;
    double n = (point.at("n").as_number() - 30) / 10;
    return x * x + y * y + n * n + (point.at("c") == Value{"c"} ? 0 : 2);
  };
  auto random = [](Space inner, SearchSettings settings) {
    TpeSettings all_random;
    all_random.start_trials = UINT64_MAX;
    return make_tpe_sampler(std::move(inner), std::move(settings), all_random);
  };
  double by_chance = median_best(random, space, bowl, 80, 9);
  EXPECT_LT(median_best(tpe(false), space, bowl, 80, 9), by_chance / 3);
  EXPECT_LT(median_best(tpe(true), space, bowl, 80, 9), by_chance / 3);
}

}  // namespace
}  // namespace troupe::hpo
