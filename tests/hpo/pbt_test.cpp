// Population-based training: who is replaced by a copy of whom, what a copy tries, and that all of
// it follows from the seed and the order of the reports.
#include "hpo/pbt.hpp"

#include "hpo/replay.hpp"
#include "runtime/core/json.hpp"
#include "tests/hpo/hpo_parts.hpp"

#include <gmock/gmock.h>

#include <set>

namespace troupe::hpo {
namespace {

using ::testing::HasSubstr;

EarlyStop pbt_rule(double max = 100) {
  EarlyStop rule;
  rule.algorithm = "pbt";
  rule.interval = 5;
  rule.max = max;
  return rule;
}

TEST(Pbt, TheWorstQuarterGivesWayToTheBest) {
  Pbt pbt{pbt_rule(), 7};
  for (uint64_t trial = 1; trial <= 8; ++trial) {
    auto value = static_cast<double>(trial);
    EXPECT_FALSE(pbt.report(trial, 4, value).heard) << "no interval is over";
    auto verdict = pbt.report(trial, 5, value);
    EXPECT_TRUE(verdict.heard);
    EXPECT_FALSE(trial < 4 && verdict.stop) << "a quarter of so few is none";
    if (!verdict.stop) continue;
    ASSERT_TRUE(verdict.copies);
    EXPECT_LE(*verdict.copies, 2u);
    EXPECT_THAT(verdict.reason, HasSubstr("a copy of member"));
  }
  EXPECT_FALSE(pbt.report(1, 10, 0.5).stop);
  EXPECT_FALSE(pbt.report(2, 100, 99).stop) << "at max it ends by itself";
}

TEST(Pbt, ACopyHasAnIntervalOfItsOwn) {
  Pbt pbt{pbt_rule(), 7};
  for (uint64_t trial = 1; trial <= 4; ++trial) pbt.report(trial, 5, static_cast<double>(trial));
  pbt.end(4, Outcome::stopped);
  pbt.copied(5);
  EXPECT_FALSE(pbt.report(5, 6, 50).stop);
  EXPECT_FALSE(pbt.report(5, 9, 50).heard);
  EXPECT_TRUE(pbt.report(5, 10, 50).stop);
}

TEST(Pbt, ChangesStayInsideTheSpace) {
  std::mt19937_64 random{11};
  for (int round = 0; round < 200; ++round) {
    Encoding encoding{Space::make(random_parameters(random, 1 + random() % 5)).value()};
    Positions positions;
    for (size_t axis = 0; axis < encoding.size(); ++axis)
      positions.push_back(encoding[axis].snap(
          encoding[axis].from_unit(static_cast<double>(random() % 1001) / 1000)));
    auto point = encoding.decode(positions);
    std::string how;
    for (uint64_t trial = 1; trial <= 20; ++trial) {
      auto made = perturbed(encoding, point, 0.25, 3, trial, how);
      EXPECT_TRUE(encoding.encode(made)) << identity(point) << " to " << identity(made);
      EXPECT_EQ(made, perturbed(encoding, point, 0.25, 3, trial, how));
    }
  }
}

TEST(Pbt, MultipliesByAFifthAndClips) {
  auto parameters = std::vector{range("lr", 0.001, 0.1, {}, {}, true), range("n", 1, 10),
                                choices("c", {"a", "b", "c"})};
  Encoding encoding{Space::make(parameters).value()};
  std::set<double> rates;
  std::set<int64_t> numbers;
  std::set<std::string> letters;
  std::string how;
  for (uint64_t trial = 1; trial <= 100; ++trial) {
    auto made = perturbed(encoding, {{"lr", 0.09}, {"n", 2}, {"c", "b"}}, 0, 3, trial, how);
    rates.insert(made.at("lr").as_number());
    numbers.insert(made.at("n").as_int());
    letters.insert(made.at("c").as_string());
  }
  ASSERT_EQ(rates.size(), 2u);
  EXPECT_NEAR(*rates.begin(), 0.072, 1e-12);
  EXPECT_EQ(*rates.rbegin(), 0.1);
  EXPECT_EQ(numbers, (std::set<int64_t>{1, 3}))
      << "a whole number goes on to its neighbour at least";
  EXPECT_EQ(letters, (std::set<std::string>{"a", "c"}));
  std::set<double> drawn;
  for (uint64_t trial = 1; trial <= 100; ++trial)
    drawn.insert(perturbed(encoding, {{"lr", 0.09}, {"n", 2}, {"c", "b"}}, 1, 3, trial, how)
                     .at("lr")
                     .as_number());
  EXPECT_GT(drawn.size(), 90u);
}

SweepSpec pbt_sweep() {
  SweepSpec sweep;
  sweep.strategy = "random";
  sweep.trials = 40;
  sweep.seed = 5;
  sweep.concurrency = 8;
  sweep.metric = Metric{false, "loss"};
  sweep.early_stop = parse_json(R"({"algorithm":"pbt","interval":2,"max":30})").value();
  return sweep;
}

/// A population whose members get better the nearer x is to 0.3.
std::vector<std::pair<SearchEntry, Point>> train(const std::vector<Parameter>& parameters,
                                                 uint64_t& copies) {
  auto searcher = Searcher::make(parameters, pbt_sweep(), "").value();
  std::vector<std::pair<SearchEntry, Point>> ledger;
  std::map<uint64_t, std::pair<Point, double>> live;  // point and epoch
  uint64_t next = 1;
  auto born = [&] {
    auto made = searcher.next(next).value();
    double epoch = 0;
    if (auto donor = searcher.copied_from(next)) {
      ++copies;
      epoch = live.contains(donor) ? live.at(donor).second : 0;
    }
    ledger.emplace_back(made.entry, made.point);
    live.emplace(next++, std::pair{made.point, epoch});
  };
  while (next <= 8) born();
  for (int turn = 0; turn < 400 && !live.empty(); ++turn) {
    auto it = std::next(live.begin(), turn % static_cast<int>(live.size()));
    auto [number, member] = *it;
    auto epoch = it->second.second += 1;
    auto loss = std::abs(member.first.at("x").as_number() - 0.3) + 1 / epoch;
    auto entries = searcher.report(number, epoch, loss);
    for (auto& entry : entries) ledger.emplace_back(std::move(entry), member.first);
    if (!searcher.stopping().contains(number) && epoch < 30) continue;
    auto outcome = epoch < 30 ? SearchEntry::Outcome::stopped : SearchEntry::Outcome::completed;
    ledger.emplace_back(searcher.end(number, outcome, {loss}), member.first);
    live.erase(number);
    if (next <= 40) born();
  }
  return ledger;
}

TEST(Pbt, IsDerivedAgainFromItsLedger) {
  auto parameters = std::vector{range("x", 0.0, 1.0)};
  uint64_t copies = 0;
  auto ledger = train(parameters, copies);
  EXPECT_GT(copies, 5u);
  Replay replay{Searcher::make(parameters, pbt_sweep(), "").value()};
  for (const auto& [entry, point] : ledger) replay.take(entry, point);
  replay.finish();
  EXPECT_EQ(replay.account().differences, 0u)
      << (replay.account().first.empty() ? "" : replay.account().first[0]);
  // And it notices another.
  for (auto& [entry, point] : ledger)
    if (entry.kind == SearchEntry::Kind::born && entry.trial == 12) point["x"] = 0.5;
  Replay other{Searcher::make(parameters, pbt_sweep(), "").value()};
  for (const auto& [entry, point] : ledger) other.take(entry, point);
  EXPECT_GT(other.account().differences, 0u);
}

TEST(Pbt, NeedsAStrategyThatCanMakeOthers) {
  auto sweep = pbt_sweep();
  sweep.strategy = "grid";
  auto refused = Searcher::make({choices("x", {1, 2, 3})}, sweep, "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().hint, "use strategy: random");
}

}  // namespace
}  // namespace troupe::hpo
