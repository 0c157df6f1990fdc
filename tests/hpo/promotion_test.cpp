// Successive halving that pauses and promotes: who waits, whose turn it is, and that both follow
// from the order of the reports.
#include "hpo/promotion.hpp"

#include "hpo/replay.hpp"
#include "runtime/core/json.hpp"
#include "tests/hpo/hpo_parts.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace troupe::hpo {
namespace {

using ::testing::HasSubstr;

EarlyStop promotion_rule(double max = 9, uint32_t eta = 3) {
  EarlyStop rule;
  rule.algorithm = "asha-promote";
  rule.resource = "epoch";
  rule.max = max;
  rule.eta = eta;
  return rule;
}

TEST(Promotion, GivesTheTurnToTheBestOfTheHighestRung) {
  Promotion asha{promotion_rule()};  // rungs 1, 3, 9
  for (uint64_t trial = 1; trial <= 2; ++trial) {
    EXPECT_TRUE(asha.report(trial, 1, static_cast<double>(trial)).pause);
    EXPECT_FALSE(asha.promotable()) << "of fewer than three nobody goes on";
  }
  auto third = asha.report(3, 1, 3);
  EXPECT_TRUE(third.pause);
  EXPECT_THAT(third.reason, HasSubstr("3 at epoch 1 is number 3 of 3 at the rung of 1"));
  EXPECT_EQ(asha.promotable(), 1u);
  asha.promote(1);
  EXPECT_FALSE(asha.promotable());
  EXPECT_FALSE(asha.report(4, 1, 0.5).pause || asha.promotable())
      << "of four the best goes on, and needs not stop for it";
}

TEST(Promotion, TakesTheHighestRungFirstAndNoneTwice) {
  Promotion asha{promotion_rule()};
  for (uint64_t trial = 1; trial <= 9; ++trial) {
    asha.report(trial, 1, static_cast<double>(10 - trial));
    while (auto next = asha.promotable()) asha.promote(*next);
  }
  for (uint64_t trial : {8, 7, 9}) asha.report(trial, 3, static_cast<double>(trial));
  EXPECT_EQ(asha.promotable(), 7u) << "by rank, and not by age";
  asha.end(7, Outcome::failed);
  EXPECT_FALSE(asha.promotable()) << "it came there, and nobody else is among the best one";
}

TEST(Promotion, NobodyWaitsAtTheLastRung) {
  Promotion asha{promotion_rule()};
  EXPECT_TRUE(asha.report(1, 1, 1).pause);
  EXPECT_FALSE(asha.report(1, 9, 1).pause);
  EXPECT_FALSE(asha.promotable());
}

TEST(Promotion, NoNumberIsTheWorst) {
  Promotion asha{promotion_rule(9, 2)};
  asha.report(1, 1, std::nan(""));
  asha.report(2, 1, 5);
  EXPECT_EQ(asha.promotable(), std::nullopt) << "2 went on at once";
  EXPECT_TRUE(asha.report(3, 1, 7).pause);
}

SweepSpec promotion_sweep(uint64_t trials) {
  SweepSpec sweep;
  sweep.strategy = "tpe";
  sweep.trials = trials;
  sweep.seed = 5;
  sweep.concurrency = 4;
  sweep.metric = Metric{false, "loss"};
  sweep.early_stop =
      parse_json(R"({"algorithm":"asha-promote","resource":"epoch","max":9})").value();
  return sweep;
}

TEST(Promotion, IsDerivedAgainFromItsLedger) {
  std::vector<Parameter> parameters{range("x", 0.0, 1.0)};
  auto sweep = promotion_sweep(30);
  auto searcher = Searcher::make(parameters, sweep, "").value();
  std::vector<std::pair<SearchEntry, Point>> ledger;
  std::map<uint64_t, Point> points;
  std::map<uint64_t, double> live;  // epoch of who runs
  std::map<uint64_t, double> waiting;
  uint64_t next = 1, completed = 0, promoted = 0;
  for (int turn = 0; turn < 5000; ++turn) {
    while (live.size() < 4) {
      if (auto turn_of = searcher.promotable()) {
        ledger.emplace_back(searcher.promote(*turn_of), points[*turn_of]);
        live.insert(waiting.extract(*turn_of));
        ++promoted;
      } else if (next <= 30) {
        auto made = searcher.next(next).value();
        points[next] = made.point;
        ledger.emplace_back(made.entry, made.point);
        live.emplace(next++, 0);
      } else {
        break;
      }
    }
    if (live.empty()) break;
    auto it = std::next(live.begin(), turn * 7 % static_cast<int>(live.size()));
    auto [trial, epoch] = *it;
    it->second = ++epoch;
    auto loss = std::abs(points[trial].at("x").as_number() - 0.3) + 1 / epoch;
    for (auto& entry : searcher.report(trial, epoch, loss))
      ledger.emplace_back(std::move(entry), points[trial]);
    if (searcher.paused().contains(trial)) {
      waiting.insert(live.extract(it));
    } else if (epoch == 9) {
      ledger.emplace_back(searcher.end(trial, SearchEntry::Outcome::completed, {loss}),
                          points[trial]);
      live.erase(it);
      ++completed;
    }
  }
  EXPECT_EQ(next, 31u);
  EXPECT_GT(completed, 1u);
  EXPECT_GT(promoted, 3u);
  Replay replay{Searcher::make(parameters, sweep, "").value()};
  for (const auto& [entry, point] : ledger) replay.take(entry, point);
  replay.finish();
  EXPECT_EQ(replay.account().differences, 0u)
      << (replay.account().first.empty() ? "" : replay.account().first[0]);
  auto wrong = std::find_if(ledger.begin(), ledger.end(), [](const auto& one) {
    return one.first.kind == SearchEntry::Kind::promote;
  });
  ASSERT_NE(wrong, ledger.end());
  wrong->first.trial += 1;
  Replay other{Searcher::make(parameters, sweep, "").value()};
  for (const auto& [entry, point] : ledger) other.take(entry, point);
  EXPECT_GT(other.account().differences, 0u);
}

}  // namespace
}  // namespace troupe::hpo
