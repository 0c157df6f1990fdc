// Rules that stop trials early: rungs and brackets against published vectors, each rule by hand,
// and what all of them promise.
#include "hpo/stopper.hpp"

#include "hpo/asha.hpp"
#include "hpo/hyperband.hpp"
#include "hpo/percentile.hpp"
#include "hpo/rungs.hpp"
#include "runtime/core/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace troupe::hpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

EarlyStop rule(const std::string& algorithm, double max = 9) {
  EarlyStop rule;
  rule.algorithm = algorithm;
  rule.resource = "epoch";
  rule.max = max;
  return rule;
}

std::unique_ptr<Stopper> stopper(EarlyStop rule, bool maximize = false) {
  return make_stopper(std::move(rule), maximize, 7).value();
}

TEST(Rungs, AreThoseOfDetermined) {
  EXPECT_THAT(rungs_below(3, 9, 3), ElementsAre(1, 3, 9));
  EXPECT_THAT(rungs_below(4, 10, 2), ElementsAre(1, 2, 5, 10));
  EXPECT_THAT(rungs_below(1, 9, 3), ElementsAre(9));
  EXPECT_THAT(rungs_below(3, 900, 3), ElementsAre(100, 300, 900));
  EXPECT_THAT(rungs_below(64, 10, 2).front(), 1);
}

TEST(Rungs, HyperbandHasItsSizes) {
  EXPECT_THAT(hyperband_sizes(5, 3), ElementsAre(81, 34, 15, 8, 5));
  EXPECT_THAT(rungs_from(1, 200, 3), ElementsAre(1, 3, 9, 27, 81, 200));
  auto sizes = hyperband_sizes(6, 3);
  EXPECT_THAT(sizes, ElementsAre(243, 98, 41, 18, 9, 6));
  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}), 415u);
  EXPECT_THAT(rungs_from(1, 1000, 10), ElementsAre(1, 10, 100, 1000)) << "not by logarithms";
  EXPECT_THAT(rungs_from(1, 1, 3), ElementsAre(1));
}

TEST(Asha, StopsAllButTheBestThatCameToARung) {
  auto asha = stopper(rule("asha"));
  EXPECT_FALSE(asha->report(1, 1, 0.5).stop) << "the first of a rung goes on";
  EXPECT_TRUE(asha->report(2, 1, 0.6).stop);
  EXPECT_FALSE(asha->report(3, 1, 0.4).stop);
  auto verdict = asha->report(4, 1, 0.45);
  EXPECT_TRUE(verdict.stop);
  EXPECT_EQ(verdict.reason,
            "asha: 0.45 at epoch 1 is number 2 of 4 at the rung of 1, of which the best 1 go on "
            "(cut-off 0.4)");
  EXPECT_FALSE(asha->report(1, 2, 0.9).heard) << "there is no rung";
  EXPECT_FALSE(asha->report(3, 3, 0.4).stop);
  EXPECT_TRUE(asha->report(1, 3, 0.41).stop);
  EXPECT_FALSE(asha->report(3, 9, 5).stop) << "who has come to the end is not stopped";
}

TEST(Asha, OneReportMayPassSeveralRungs) {
  auto asha = stopper(rule("asha", 27));
  EXPECT_TRUE(asha->report(1, 20, 0.5).heard);
  EXPECT_TRUE(asha->report(2, 1, 0.6).stop);
  EXPECT_FALSE(asha->report(3, 1, 0.4).stop);
  EXPECT_TRUE(asha->report(3, 9, 0.6).stop) << "trial 1 was at the rungs of 3 and 9 before";
}

TEST(Asha, GoesOnWhereAllAreEqual) {
  auto asha = stopper(rule("asha"));
  for (uint64_t trial = 1; trial <= 20; ++trial)
    EXPECT_FALSE(asha->report(trial, 1, 0.5).stop) << trial;
}

TEST(Asha, HearsNoReportTwiceNorOutOfOrder) {
  auto asha = stopper(rule("asha"));
  asha->report(1, 3, 0.5);
  EXPECT_FALSE(asha->report(1, 3, 0.9).heard);
  EXPECT_FALSE(asha->report(1, 1, 0.9).heard);
  EXPECT_FALSE(asha->report(2, std::nan(""), 0.9).heard);
  EXPECT_FALSE(asha->report(2, HUGE_VAL, 0.9).heard);
  EXPECT_FALSE(asha->report(2, 0, 0.9).heard);
  EXPECT_FALSE(asha->report(2, -1, 0.9).heard);
}

TEST(Asha, WhatIsNoNumberIsTheWorst) {
  for (double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    auto asha = stopper(rule("asha"));
    asha->report(1, 1, 0.5);
    auto verdict = asha->report(2, 1, value);
    EXPECT_TRUE(verdict.stop);
    EXPECT_THAT(verdict.reason, HasSubstr("no number"));
  }
}

TEST(Asha, SaysValuesAsTheyWereReported) {
  auto asha = stopper(rule("asha"), true);
  asha->report(1, 1, -0.9);
  EXPECT_THAT(asha->report(2, 1, -0.8).reason, HasSubstr("0.8 at epoch 1"));
}

TEST(Hyperband, DrawsBracketsByTheirSizes) {
  Hyperband hyperband{rule("hyperband", 81), 7};
  ASSERT_EQ(hyperband.brackets(), 5u);
  std::vector<double> count(5);
  constexpr int trials = 20'000;
  for (uint64_t trial = 1; trial <= trials; ++trial) ++count[hyperband.bracket_of(trial)];
  auto sizes = hyperband_sizes(5, 3);
  for (size_t i = 0; i < 5; ++i) {
    auto share = static_cast<double>(sizes[i]) / 143;
    EXPECT_NEAR(count[i], trials * share, 4 * std::sqrt(trials * share * (1 - share)));
  }
}

TEST(Hyperband, HalvesEachBracketAmongItsOwn) {
  Hyperband hyperband{rule("hyperband", 9), 7};
  std::vector<std::vector<uint64_t>> brackets(3);
  for (uint64_t trial = 1; trial <= 100; ++trial)
    brackets[hyperband.bracket_of(trial)].push_back(trial);
  for (size_t bracket = 0; bracket < 3; ++bracket) {
    ASSERT_GE(brackets[bracket].size(), 2u);
    auto [first, second] = std::pair{brackets[bracket][0], brackets[bracket][1]};
    EXPECT_FALSE(hyperband.report(first, 1, 0.5).stop);
    auto verdict = hyperband.report(second, 1, 0.6);
    EXPECT_EQ(verdict.stop, bracket == 0) << "only the first bracket halves so soon";
    if (bracket == 1) {
      EXPECT_FALSE(hyperband.report(first, 3, 0.5).stop);
      EXPECT_TRUE(hyperband.report(second, 3, 0.6).stop);
    }
    if (bracket == 2) {
      EXPECT_FALSE(hyperband.report(second, 9, 0.6).stop);
    }
  }
}

TEST(Percentile, LiesBetweenNeighboursAsInNumpy) {
  EXPECT_DOUBLE_EQ(percentile({1, 2, 3, 4}, 50), 2.5);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 25), 1.75);
  EXPECT_DOUBLE_EQ(percentile({5}, 25), 5);
  EXPECT_DOUBLE_EQ(percentile({1, 2}, 100), 2);
  EXPECT_EQ(percentile({HUGE_VAL, HUGE_VAL}, 30), HUGE_VAL);
}

TEST(Median, StopsWhoIsWorseThanHalfOfThoseThatCompleted) {
  auto wanted = rule("median");
  wanted.start = 3;
  wanted.min = 2;
  auto median = stopper(wanted);
  for (uint64_t trial = 1; trial <= 3; ++trial) {
    for (double epoch : {1, 2, 3}) median->report(trial, epoch, static_cast<double>(trial) / epoch);
    if (trial < 3) median->end(trial, Outcome::completed);
  }
  EXPECT_FALSE(median->report(4, 2, 9).stop) << "two have completed, three are wanted";
  median->end(3, Outcome::completed);
  EXPECT_FALSE(median->report(5, 1, 9).stop) << "it is too early";
  auto verdict = median->report(5, 2, 1.5);
  EXPECT_TRUE(verdict.stop);
  EXPECT_EQ(verdict.reason,
            "median: 1.5 at epoch 2, its best so far 1.5, is beyond 1, the percentile 50 of 3 that "
            "completed");
  median->report(6, 1, 0.9);
  EXPECT_FALSE(median->report(6, 2, 5).stop) << "its best counts";
  EXPECT_FALSE(median->report(6, 4, 5).stop) << "nobody was there";
}

TEST(Median, KeepsSoManyValuesAndNoMore) {
  auto median = stopper(rule("median"));
  uint64_t heard = 0;
  for (uint64_t step = 1; step <= 1'000'000; ++step)
    heard += median->report(1, static_cast<double>(step), 0.5).heard ? 1 : 0;
  EXPECT_EQ(heard, 4096u);
}

TEST(Patience, StopsWhoBecomesNoBetter) {
  auto wanted = rule("patience");
  wanted.patience = 3;
  wanted.delta = 0.01;
  auto patience = stopper(wanted);
  EXPECT_FALSE(patience->report(1, 1, 0.5).stop);
  EXPECT_FALSE(patience->report(1, 3, 0.4).stop);
  EXPECT_FALSE(patience->report(1, 5, 0.395).heard) << "that is not better by 0.01";
  auto verdict = patience->report(1, 6, 0.45);
  EXPECT_TRUE(verdict.stop);
  EXPECT_EQ(verdict.reason,
            "patience: 0.45 at epoch 6, not better than 0.4 at epoch 3 for 3 of epoch");
}

TEST(Stoppers, ToldOnlyWhatTheyHeardSayTheSame) {
  for (const auto* algorithm : {"asha", "hyperband", "median", "percentile", "patience"}) {
    struct Told {
      uint64_t trial;
      double resource, value;
      bool ended = false;
    };
    std::mt19937_64 random{11};
    auto wanted = rule(algorithm, 27);
    wanted.start = 3;
    wanted.patience = 4;
    auto first = stopper(wanted);
    std::vector<Told> heard;
    std::vector<std::pair<uint64_t, double>> live;
    uint64_t next = 1, stopped = 0;
    auto again = [&] {
      auto other = stopper(wanted);
      for (const auto& told : heard)
        if (told.ended)
          other->end(told.trial, Outcome::completed);
        else
          other->report(told.trial, told.resource, told.value);
      return other;
    };
    for (int i = 0; i < 2000; ++i) {
      if (live.size() < 8) live.emplace_back(next++, 0);
      auto which = random() % live.size();
      auto& [trial, epoch] = live[which];
      epoch += static_cast<double>(1 + random() % 3);
      auto value = static_cast<double>((trial * 7919) % 101) / (epoch + 3) +
                   static_cast<double>(random() % 100) / 1000;
      auto copy = i % 50 == 0 ? again() : nullptr;
      auto verdict = first->report(trial, epoch, value);
      if (copy) {
        auto same = copy->report(trial, epoch, value);
        EXPECT_EQ(same.stop, verdict.stop) << algorithm << " at " << i;
        EXPECT_EQ(same.reason, verdict.reason) << algorithm << " at " << i;
      }
      if (verdict.heard) heard.push_back({trial, epoch, value});
      stopped += verdict.stop ? 1 : 0;
      if (!verdict.stop && epoch < 27) continue;
      first->end(trial, verdict.stop ? Outcome::stopped : Outcome::completed);
      if (!verdict.stop) heard.push_back({trial, 0, 0, true});
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(which));
    }
    EXPECT_GT(stopped, 5u) << algorithm;
  }
}

TEST(EarlyStopSpec, ReadsWhatIsWritten) {
  auto read = read_early_stop(ValueMap{{"algorithm", "asha"}, {"resource", "epoch"}, {"max", 27}});
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->resource, "epoch");
  EXPECT_EQ(read->max, 27);
  EXPECT_EQ(read->eta, 3u);
  EXPECT_TRUE(read_early_stop(ValueMap{{"algorithm", "median"}}));
}

TEST(EarlyStopSpec, RefusesWhatMakesNoSense) {
  auto refused = [](ValueMap map, const char* what) {
    auto read = read_early_stop(map);
    ASSERT_FALSE(read) << json_text(Value{map});
    EXPECT_EQ(read.error().what, what);
    EXPECT_FALSE(read.error().hint.empty());
  };
  refused({}, "sweep.early_stop.algorithm");
  refused({{"algorithm", "ashha"}}, "sweep.early_stop.algorithm");
  refused({{"algorithm", "asha"}}, "sweep.early_stop.max");
  refused({{"algorithm", "asha"}, {"max", 3}, {"min", 5}}, "sweep.early_stop.max");
  refused({{"algorithm", "asha"}, {"max", 3}, {"min", 0}}, "sweep.early_stop.min");
  refused({{"algorithm", "asha"}, {"max", "far"}}, "sweep.early_stop.max");
  refused({{"algorithm", "asha"}, {"max", std::nan("")}}, "sweep.early_stop.max");
  refused({{"algorithm", "asha"}, {"max", 3}, {"eta", 1}}, "sweep.early_stop.eta");
  refused({{"algorithm", "asha"}, {"max", 3}, {"eta", 2.5}}, "sweep.early_stop.eta");
  refused({{"algorithm", "asha"}, {"max", 3}, {"ressource", "x"}}, "sweep.early_stop.ressource");
  refused({{"algorithm", "asha"}, {"max", 3}, {"resource", 3}}, "sweep.early_stop.resource");
  refused({{"algorithm", "percentile"}, {"percentile", 101}}, "sweep.early_stop.percentile");
}

}  // namespace
}  // namespace troupe::hpo
