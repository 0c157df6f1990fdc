#include "hpo/search.hpp"

#include "tests/hpo/search_parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::hpo {
namespace {

using testing::HasSubstr;

std::vector<Parameter> numbers_named(size_t count) {
  std::vector<Parameter> parameters;
  for (size_t i = 0; i < count; ++i) parameters.push_back(range("x" + std::to_string(i), 0.0, 1.0));
  return parameters;
}

StrategyChoice choice(const std::vector<Parameter>& parameters, std::optional<uint64_t> trials,
                      uint64_t parallel = 1, size_t objectives = 1) {
  SearchSettings settings;
  settings.trials = trials;
  settings.parallel = parallel;
  settings.maximize.assign(objectives, false);
  return choose_strategy(Space::make(parameters).value(), settings);
}

TEST(Auto, PicksBySpaceBudgetAndParallelismAndSaysWhy) {
  auto few = choice(numbers_named(6), 100);
  EXPECT_EQ(few.strategy, "gp");
  EXPECT_THAT(few.reason, HasSubstr("100 trials over 6 parameters"));
  EXPECT_EQ(choice(numbers_named(6), {}).strategy, "gp");
  auto many = choice(numbers_named(6), 5000);
  EXPECT_EQ(many.strategy, "cma-es");
  EXPECT_THAT(many.reason, HasSubstr("5000 trials"));
  auto mixed = numbers_named(3);
  mixed.push_back(choices("c", {"a", "b", "c"}));
  EXPECT_EQ(choice(mixed, 5000).strategy, "tpe");
  EXPECT_EQ(choice(mixed, 100).strategy, "gp");
  EXPECT_THAT(choice(numbers_named(300), 100).reason, HasSubstr("300 parameters"));
  EXPECT_EQ(choice(numbers_named(300), 100).strategy, "tpe");
  EXPECT_EQ(choice(numbers_named(6), 100, 500).strategy, "tpe");
  EXPECT_EQ(choice(numbers_named(6), 100, 1, 2).strategy, "tpe");
  EXPECT_EQ(choice(numbers_named(6), 4000, 1, 2).strategy, "nsga2");
  EXPECT_EQ(choice({choices("c", {1})}, 10).strategy, "tpe");
}

TEST(Auto, WhatItPicksCanSearchTheSpace) {
  std::mt19937_64 random{77};
  for (int i = 0; i < 300; ++i) {
    auto space = Space::make(random_parameters(random, 1 + random() % 30)).value();
    SearchSettings settings;
    if (random() % 4 != 0) settings.trials = random() % 3000 + 1;
    settings.parallel = random() % 200 + 1;
    settings.maximize.assign(1 + random() % 3, true);
    auto made = make_search("auto", space, settings);
    ASSERT_TRUE(made) << to_string(made.error());
    auto point = (*made)->suggest(1);
    ASSERT_TRUE(point) << to_string(point.error());
  }
}

TEST(Search, KnowsItsNamesAndSuggestsTheNearest) {
  auto space = Space::make(numbers_named(2)).value();
  for (const auto& name : adaptive_strategies()) EXPECT_TRUE(make_search(name, space, {})) << name;
  auto wrong = make_search("cma-ea", space, {});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().hint, HasSubstr("cma-es"));
}

TEST(Search, StandsExtremeSpaces) {
  auto wide = numbers_named(300);
  std::vector<Value> million;
  for (int i = 0; i < 1'000'000; ++i) million.emplace_back("v" + std::to_string(i));
  for (const auto& parameters :
       {wide, std::vector<Parameter>{choices("c", million)},
        std::vector<Parameter>{choices("c", {1})},
        std::vector<Parameter>{range("i", INT64_MIN, INT64_MAX), range("f", -1e308, 1e308)}})
    for (const auto& name : adaptive_strategies()) {
      SearchSettings settings;
      settings.maximize = {false};
      settings.trials = 14;
      auto sampler = make_search(name, Space::make(parameters).value(), settings);
      if (!sampler) continue;  // it says what it cannot do
      run_search(**sampler, any_objective, 14, 2, 1);
    }
}

TEST(Search, OfASweepIsMadeByName) {
  SweepSpec sweep;
  sweep.strategy = "tpe";
  sweep.trials = 10;
  sweep.seed = 3;
  EXPECT_THAT(make_sampler(numbers_named(2), sweep).error().detail, HasSubstr("no metric"));
  sweep.metric = Metric{true, "accuracy"};
  auto sampler = make_sampler(numbers_named(2), sweep).value();
  EXPECT_TRUE(sampler->is_adaptive());
  EXPECT_EQ(sampler->size(), 10u);
  EXPECT_EQ(set_size(numbers_named(2), sweep).value(), 10u);
  EXPECT_EQ(set_size({choices("a", {1, 2, 3})}, sweep).value(), 3u);
  sweep.trials.reset();
  EXPECT_FALSE(set_size(numbers_named(2), sweep));
}

}  // namespace
}  // namespace troupe::hpo
