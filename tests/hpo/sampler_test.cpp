#include "hpo/sampler.hpp"

#include "tests/hpo/hpo_parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

namespace troupe::hpo {
namespace {

using testing::ElementsAre;

SweepSpec sweep(std::string strategy, std::optional<uint64_t> trials = {}, uint64_t seed = 7) {
  SweepSpec spec;
  spec.strategy = std::move(strategy);
  spec.trials = trials;
  spec.seed = seed;
  return spec;
}
std::unique_ptr<Sampler> sampler(const std::vector<Parameter>& parameters, const SweepSpec& spec) {
  auto made = make_sampler(parameters, spec);
  EXPECT_TRUE(made) << to_string(made.error());
  return std::move(*made);
}
std::vector<Value> grid_of(const Parameter& parameter) {
  auto axis = Axis::make(parameter).value();
  std::vector<Value> values;
  for (uint64_t k = 0; k < *axis.grid_points(); ++k) values.push_back(axis.grid_at(k));
  return values;
}

TEST(Axis, GridPoints) {
  EXPECT_THAT(grid_of(range("x", 0.1, 0.3, 0.1)), ElementsAre(0.1, 0.2, 0.3));
  EXPECT_THAT(grid_of(range("x", 0.0, 1.0, 0.3)), ElementsAre(0.0, 0.3, 0.6, 0.9));
  EXPECT_THAT(grid_of(range("x", 1, 10, 4)), ElementsAre(1, 5, 9));
  EXPECT_THAT(grid_of(range("x", 0, 20, {}, 3)), ElementsAre(0, 10, 20));
  EXPECT_THAT(grid_of(range("x", 1, 3, {}, 100)), ElementsAre(1, 2, 3));
  EXPECT_THAT(grid_of(range("x", 1, 9, {}, 1)), ElementsAre(5));
  EXPECT_THAT(grid_of(range("x", 0.0, 1.0, {}, 1)), ElementsAre(0.5));
  EXPECT_THAT(grid_of(range("x", 0.5, 0.5)), ElementsAre(0.5));
  auto log = grid_of(range("x", 1e-4, 1e-1, {}, 4, true));
  ASSERT_EQ(log.size(), 4u);
  EXPECT_EQ(log.front(), Value{1e-4});
  EXPECT_NEAR(log[1].as_number(), 1e-3, 1e-15);
  EXPECT_EQ(log.back(), Value{1e-1});
  EXPECT_FALSE(Axis::make(range("x", 0.0, 1.0)).value().grid_points());
}

TEST(Axis, AStepThatNoNumberCanFollowIsRefused) {
  EXPECT_FALSE(Axis::make(range("x", 0.0, 1.0, 1e-300)));
  EXPECT_FALSE(Axis::make(range("x", 0.0, 1.0, 1e-17)));
  EXPECT_TRUE(Axis::make(range("x", 0.0, 1.0, 1e-15)));
  EXPECT_TRUE(Axis::make(range("x", INT64_MIN, INT64_MAX, 2)));
}

TEST(Grid, LastNamedVariesFastest) {
  auto grid = sampler({range("b", 0, 20, {}, 3), range("a", 0, 10, {}, 3)}, sweep("grid"));
  ASSERT_EQ(grid->size(), 9u);
  std::vector<std::pair<int64_t, int64_t>> points;
  for (uint64_t k = 1; k <= 9; ++k) {
    auto point = grid->suggest(k).value();
    points.emplace_back(point["b"].as_int(), point["a"].as_int());
  }
  using P = std::pair<int64_t, int64_t>;
  EXPECT_THAT(points, ElementsAre(P{0, 0}, P{0, 5}, P{0, 10}, P{10, 0}, P{10, 5}, P{10, 10},
                                  P{20, 0}, P{20, 5}, P{20, 10}));
  EXPECT_FALSE(grid->suggest(0));
  EXPECT_FALSE(grid->suggest(10));
}

TEST(List, TakesTheKthOfEach) {
  auto list = sampler({choices("a", {1, 2}), choices("b", {"x", "y"}), choices("c", {true})},
                      sweep("list"));
  EXPECT_EQ(list->size(), 2u);
  EXPECT_EQ(list->suggest(2).value(), (Point{{"a", 2}, {"b", "y"}, {"c", true}}));
  auto spec = sweep("list");
  spec.points = {{{"a", 1}}, {{"a", 5}}, {{"a", 9}}};
  auto points = sampler({choices("c", {0.5})}, spec);
  EXPECT_EQ(points->size(), 3u);
  EXPECT_EQ(points->suggest(3).value(), (Point{{"a", 9}, {"c", 0.5}}));
  EXPECT_FALSE(make_sampler({choices("a", {1, 2}), choices("b", {1, 2, 3})}, sweep("list")));
}

TEST(SetSize, FindsWhatCannotBe) {
  EXPECT_EQ(set_size({range("x", 0.0, 1.0)}, sweep("random", 20)).value(), 20u);
  EXPECT_EQ(set_size({choices("x", {1, 2, 3})}, sweep("random", 20)).value(), 3u);
  EXPECT_FALSE(set_size({range("x", 0.0, 1.0)}, sweep("random")));
  EXPECT_FALSE(set_size({range("x", 0.0, 1.0)}, sweep("grid")));
  EXPECT_FALSE(set_size({range("x", 1, 2'000'000)}, sweep("grid")));
  EXPECT_FALSE(set_size({range("x", INT64_MIN, INT64_MAX), range("y", INT64_MIN, INT64_MAX)},
                        sweep("grid")));
  EXPECT_FALSE(set_size({range("x", 1, 2)}, sweep("magic")));
  EXPECT_FALSE(set_size({range("x", 1, 2), range("x", 1, 2)}, sweep("grid")));
}

TEST(Random, ValuesDoNotDependOnOrderOrOtherParameters) {
  std::vector<Parameter> space{range("lr", 1e-4, 1e-1, {}, {}, true),
                               range("h", 16, 512, {}, {}, true), choices("act", {"relu", "tanh"})};
  auto forward = sampler(space, sweep("random", 200));
  auto backward = sampler({space[2], space[0], space[1]}, sweep("random", 200));
  std::vector<Point> points;
  for (uint64_t k = 1; k <= 200; ++k) points.push_back(forward->suggest(k).value());
  for (uint64_t k = 200; k >= 1; --k) EXPECT_EQ(backward->suggest(k).value(), points[k - 1]);
  auto other = sampler(space, sweep("random", 200, 8));
  EXPECT_NE(other->suggest(1).value(), points[0]);
}

TEST(Random, FiniteSpacesAreDrawnOutWithoutRepeating) {
  std::vector<std::vector<Parameter>> spaces{
      {range("x", 1, 20), choices("c", {"a", "b", nullptr})},
      {range("x", 1, 64, {}, {}, true), range("y", 0.0, 1.0, 0.25)},
      {range("x", 0.1, 0.3, 0.1), choices("k", {1})}};
  for (const auto& space : spaces) {
    auto random = sampler(space, sweep("random"));
    std::set<std::string> seen;
    for (uint64_t k = *random->size(); k >= 1; --k)
      seen.insert(identity(random->suggest(k).value()));
    EXPECT_EQ(seen.size(), *Space::make(space).value().size());
  }
}

TEST(Random, LogIntsFollowTheirScaleAndReachBothEnds) {
  std::vector<double> counts(16);
  auto axis = Axis::make(range("x", 1, 16, {}, {}, true)).value();
  constexpr int count = 50000;
  for (uint64_t k = 0; k < count; ++k) {
    Draws draws{3, k, 1};
    ++counts.at(static_cast<size_t>(axis.draw(draws).as_int() - 1));
  }
  double sum = 0;
  for (size_t i = 0; i < 16; ++i) {
    double x = static_cast<double>(i) + 1;
    double expected = count * std::log((x + 0.5) / (x - 0.5)) / std::log(16.5 / 0.5);
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(sum, 37.7);  // chi-square, 15 degrees, 0.999
}

TEST(Random, RandomSpacesStayInsideTheirBounds) {
  std::mt19937_64 random{5};
  for (int i = 0; i < 500; ++i) {
    double a =
        std::ldexp(static_cast<double>(random() % 1000) + 1, static_cast<int>(random() % 60) - 30);
    double b = a * (1 + static_cast<double>(random() % 1000));
    bool log = random() % 2;
    auto least = static_cast<int64_t>(random() >> (1 + random() % 60)) + 1;
    auto most = least + static_cast<int64_t>((random() >> (1 + random() % 60)) %
                                             static_cast<uint64_t>(INT64_MAX - least + 1));
    std::vector<Parameter> space{range("f", a, b, {}, {}, log),
                                 range("i", least, most, {}, {}, log), range("s", -b, b, a)};
    auto made = make_sampler(space, sweep("random", 30, random()));
    ASSERT_TRUE(made) << to_string(made.error());
    for (uint64_t k = 1; k <= *(*made)->size(); ++k) {
      auto point = (*made)->suggest(k).value();
      EXPECT_TRUE(point["f"].is_double() && point["i"].is_int() && point["s"].is_double());
      EXPECT_GE(point["f"].as_number(), a);
      EXPECT_LE(point["f"].as_number(), b);
      EXPECT_GE(point["i"].as_int(), least);
      EXPECT_LE(point["i"].as_int(), most);
      EXPECT_LE(std::abs(point["s"].as_number()), b);
    }
  }
}

TEST(Sampler, AConstraintThatLeavesLittleEndsNoSearchEarly) {
  // One of 20,000 points keeps it: the space is taken by luck, and is to be searched all the same.
  const std::vector<Parameter> parameters{range("a", 0.0, 1.0), range("b", 0.0, 1.0)};
  for (const auto* strategy : {"random", "sobol", "tpe"}) {
    SweepSpec sweep;
    sweep.strategy = strategy;
    sweep.trials = 5;
    sweep.seed = 4;
    sweep.metric = Metric{false, "loss"};
    sweep.constraints = {"a + b < 0.01"};
    auto sampler = make_sampler(parameters, sweep);
    ASSERT_TRUE(sampler) << to_string(sampler.error());
    for (uint64_t trial = 1; trial <= 5; ++trial) {
      auto point = (*sampler)->suggest(trial);
      ASSERT_TRUE(point) << strategy << " " << trial;
      EXPECT_LT(point->at("a").as_number() + point->at("b").as_number(), 0.01);
      (*sampler)->observe({trial, Outcome::running, *point});
    }
  }
}

}  // namespace
}  // namespace troupe::hpo
