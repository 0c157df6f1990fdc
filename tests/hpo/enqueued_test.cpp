// Points that people give to a search, whole or in part.
#include "hpo/searcher.hpp"
#include "tests/hpo/hpo_parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace troupe::hpo {
namespace {

using testing::HasSubstr;

SweepSpec sweep_of(const std::string& strategy) {
  SweepSpec sweep;
  sweep.strategy = strategy;
  sweep.seed = 2;
  sweep.trials = 12;
  sweep.metric = Metric{false, "loss"};
  return sweep;
}

const std::vector<Parameter> square{range("a", 1, 5), range("b", 1, 5)};

std::vector<Point> first_points(Searcher& searcher, uint64_t count) {
  std::vector<Point> points;
  for (uint64_t trial = 1; trial <= count; ++trial) points.push_back(searcher.next(trial)->point);
  return points;
}

TEST(Enqueued, WhatIsLeftOpenKeepsTheConstraintsAndIsNew) {
  for (const auto* strategy : {"tpe", "tpe-independent", "gp", "nsga2", "cma-es"}) {
    SCOPED_TRACE(strategy);
    auto sweep = sweep_of(strategy);
    sweep.constraints = {"a + b <= 5"};
    sweep.enqueue = {{{"a", 4}}, {{"a", 3}}, {{"b", 4}}, {{"a", 3}}};
    auto searcher = Searcher::make(square, sweep, "");
    ASSERT_TRUE(searcher) << to_string(searcher.error());
    auto points = first_points(*searcher, 6);
    std::set<std::string> different;
    for (const auto& point : points) {
      EXPECT_LE(point.at("a").as_int() + point.at("b").as_int(), 5) << identity(point);
      EXPECT_TRUE(different.insert(identity(point)).second) << identity(point);
    }
    for (size_t i = 0; i < sweep.enqueue.size(); ++i)
      for (const auto& [name, value] : sweep.enqueue[i]) EXPECT_EQ(points[i].at(name), value);
  }
}

TEST(Enqueued, AValueIsTriedAsItWasWritten) {
  auto sweep = sweep_of("tpe");
  sweep.enqueue = {{{"lr", 0.003}}};
  auto searcher =
      Searcher::make({range("lr", 1e-4, 0.1, {}, {}, true), range("b", 1, 5)}, sweep, "");
  ASSERT_TRUE(searcher);
  EXPECT_EQ(searcher->next(1)->point.at("lr"), Value{0.003});
}

TEST(Enqueued, OneThatCanHaveNoOtherPointIsTheStrategys) {
  auto sweep = sweep_of("tpe");
  sweep.enqueue.assign(7, {{"a", 4}});
  auto searcher = Searcher::make(square, sweep, "");
  ASSERT_TRUE(searcher);
  std::set<std::string> different;
  for (uint64_t trial = 1; trial <= 7; ++trial) {
    auto made = searcher->next(trial);
    ASSERT_TRUE(made);
    EXPECT_TRUE(different.insert(identity(made->point)).second) << identity(made->point);
    EXPECT_EQ(made->point.at("a") == Value{4}, trial <= 5);
    EXPECT_THAT(made->entry.note, HasSubstr(trial <= 5 ? "by hand" : "no new point"));
  }
}

TEST(Enqueued, WhatCannotBeIsRefused) {
  auto refusal = [](std::vector<Point> points) {
    auto sweep = sweep_of("tpe");
    sweep.constraints = {"a + b <= 5"};
    for (auto& point : points) sweep.enqueue.emplace_back(point.begin(), point.end());
    auto searcher = Searcher::make(square, sweep, "");
    return searcher ? "" : searcher.error().what + ": " + searcher.error().detail;
  };
  EXPECT_EQ(refusal({{{"a", 1}, {"b", 2}}, {{"a", 1}}}), "");
  EXPECT_THAT(refusal({{{"a", 1}, {"b", 2}}, {{"b", 2}, {"a", 1}}}),
              HasSubstr("[1]: it is the same point as sweep.enqueue[0]"));
  EXPECT_THAT(refusal({{{"a", 5}}}), HasSubstr("no new point was found"));
  auto sweep = sweep_of("tpe");
  sweep.constraints = {"a + b <= 5"};
  auto searcher = Searcher::make(square, sweep, "");
  EXPECT_FALSE(searcher->check_added({{"a", 5}}, "add[0]"));
  EXPECT_TRUE(searcher->check_added({{"a", 4}}, "add[0]"));
  auto tried = searcher->next(1)->point;
  EXPECT_TRUE(searcher->check_added(tried, "add[0]")) << "its set knows who has tried it";
}

}  // namespace
}  // namespace troupe::hpo
