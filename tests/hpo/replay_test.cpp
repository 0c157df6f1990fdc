// What follows from a ledger, and what does not.
#include "hpo/replay.hpp"

#include "tests/hpo/hpo_parts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {
namespace {

SweepSpec sweep_of(const std::string& strategy) {
  SweepSpec sweep;
  sweep.strategy = strategy;
  sweep.seed = 3;
  sweep.trials = 6;
  sweep.metric = Metric{false, "loss"};
  return sweep;
}

std::string first_of(const Replay& replay) {
  return replay.account().first.empty() ? "" : replay.account().first[0];
}

TEST(Replay, AStopForAValueThatIsNoNumberFollows) {
  const std::vector<Parameter> parameters{range("x", 0.0, 1.0)};
  auto sweep = sweep_of("random");
  sweep.early_stop = ValueMap{{"algorithm", "asha"}, {"max", 9}};
  auto searcher = Searcher::make(parameters, sweep, "").value();
  std::vector<std::pair<SearchEntry, Point>> ledger;
  for (uint64_t trial = 1; trial <= 6; ++trial) {
    auto made = searcher.next(trial).value();
    ledger.emplace_back(made.entry, made.point);
    for (auto& entry : searcher.report(trial, 1, trial % 2 == 0 ? std::nan("") : 0.5))
      ledger.emplace_back(std::move(entry), made.point);
  }
  auto stopped = std::count_if(ledger.begin(), ledger.end(), [](const auto& one) {
    return one.first.kind == SearchEntry::Kind::stop;
  });
  EXPECT_GE(stopped, 2);
  auto replayed = [&] {
    Replay replay{Searcher::make(parameters, sweep, "").value()};
    for (const auto& [entry, point] : ledger) replay.take(entry, point);
    replay.finish();
    return replay;
  };
  EXPECT_EQ(replayed().account().differences, 0u) << first_of(replayed());
  for (auto& [entry, point] : ledger)
    if (entry.kind == SearchEntry::Kind::stop) entry.values = {0.25};
  EXPECT_GT(replayed().account().differences, 0u);
}

TEST(Replay, PointsThatFollowFromTheirNumberAreDerivedWithoutEntries) {
  const std::vector<Parameter> parameters{choices("x", {1, 2, 3}), choices("y", {"a", "b"})};
  for (const auto* strategy : {"grid", "random", "sobol"}) {
    auto sweep = sweep_of(strategy);
    auto searcher = Searcher::make(parameters, sweep, "").value();
    std::vector<Point> members;
    for (uint64_t trial = 1; trial <= 6; ++trial) members.push_back(searcher.point(trial).value());
    Replay right{Searcher::make(parameters, sweep, "").value()};
    right.check_drawn(members);
    EXPECT_EQ(right.account().suggestions, 6u);
    EXPECT_EQ(right.account().differences, 0u) << strategy << ": " << first_of(right);
    std::swap(members[2], members[3]);
    members.push_back(members[0]);  // more than there can be
    Replay wrong{Searcher::make(parameters, sweep, "").value()};
    wrong.check_drawn(members);
    EXPECT_EQ(wrong.account().differences, 3u) << strategy;
  }
}

}  // namespace
}  // namespace troupe::hpo
