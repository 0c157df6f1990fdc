// Who stands still, from what nodes tell of ranks, in virtual time.
#include "actors/head/hang_watch.hpp"

#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using By = RankPulse::By;

class Watch : public ::testing::Test {
 protected:
  Watch() {
    ExperimentLife life{record_of(spec_of())};
    life.place(places_on({"a", "b"}), 7, t0);
    record = life.record();
  }
  static RankPulse rank(uint32_t number, By by, Duration quiet, Duration steady = 0s) {
    RankPulse pulse;
    pulse.rank = number;
    pulse.by = by;
    pulse.quiet_ms = quiet.count();
    pulse.steady_ms = steady.count();
    pulse.has_step = by == By::metrics;
    pulse.step = {140};
    if (quiet >= 5s) pulse.process = "process 7 (train): sleeping in tcp_recvmsg";
    return pulse;
  }
  void hear(uint32_t job, std::vector<RankPulse> ranks, JobStep step = JobStep::running) {
    auto update = update_of(record, step, job);
    update.ranks = std::move(ranks);
    watch.update(update, now);
  }
  HangWatch::Verdict look() { return watch.look(record, t0, now); }
  std::string what() {
    auto verdict = look();
    if (!verdict.known) return "unknown";
    return verdict.hang ? verdict.hang->what : "fine";
  }

  std::chrono::nanoseconds now{1h};
  ExperimentRecord record;
  HangWatch watch{10s};
};

TEST_F(Watch, NamesAllWhereNobodyShowsAnything) {
  hear(0, {rank(0, By::nothing, 10s)});
  hear(1, {rank(1, By::nothing, 9s)});
  EXPECT_EQ(what(), "fine");
  hear(1, {rank(1, By::lines, 11s)});
  EXPECT_EQ(what(), "fine") << "a third could fall silent with them";
  hear(1, {rank(1, By::lines, 12s)});
  EXPECT_EQ(what(), "ranks 0, 1 of 2 made no progress for 10s");
}

TEST_F(Watch, SaysNodeStepTimeAndWhatTheProcessDoes) {
  hear(0, {rank(0, By::metrics, 12s)});
  hear(1, {rank(1, By::nothing, 60s)});
  auto error = *look().hang;
  EXPECT_EQ(error.what, "ranks 0, 1 of 2 made no progress for 10s");
  EXPECT_THAT(error.detail, HasSubstr("rank 0 on a: last step 140 at 2023-11-14T22:13:08"));
  EXPECT_THAT(error.detail, HasSubstr("process 7 (train): sleeping in tcp_recvmsg"));
  EXPECT_THAT(error.detail, HasSubstr("rank 1 on b: nothing since its start 1m ago"));
  EXPECT_THAT(error.hint, HasSubstr("watchdog.patience"));
}

TEST_F(Watch, SaysWhichRankTheOthersWaitFor) {
  auto quiet = [](uint32_t number, bool waits) {
    auto pulse = rank(number, By::nothing, 12s);
    pulse.waits = waits;
    return pulse;
  };
  hear(0, {quiet(0, true), quiet(1, true)});
  hear(1, {quiet(2, false), quiet(3, true)});
  EXPECT_THAT(look().hang->detail,
              StartsWith("rank 2 holds up the others, which wait; rank 0 on a: "));
  hear(0, {quiet(0, true), quiet(1, false)});
  EXPECT_THAT(look().hang->detail, StartsWith("ranks 1, 2 hold up the others, which wait; "));
  hear(0, {quiet(0, false), quiet(1, false)});
  EXPECT_THAT(look().hang->detail, Not(HasSubstr("hold"))) << "most do something";
  hear(0, {quiet(0, true), quiet(1, true)});
  hear(1, {quiet(2, true), quiet(3, true)});
  EXPECT_THAT(look().hang->detail, Not(HasSubstr("hold"))) << "each waits for another";
}

TEST_F(Watch, JudgesByMetricsWhereThereAreSome) {
  hear(0, {rank(0, By::metrics, 12s)});
  hear(1, {rank(1, By::lines, 1s, 100s)});
  EXPECT_EQ(what(), "rank 0 of 2 made no progress for 10s") << "its neighbour talks on";
  hear(0, {rank(0, By::metrics, 1s)});
  hear(1, {rank(1, By::lines, 50s, 100s)});
  EXPECT_EQ(what(), "fine") << "rank 0 speaks for all";
}

TEST_F(Watch, NamesTheRankThatFallsSilentWhileOthersWriteOn) {
  hear(0, {rank(0, By::lines, 1s, 100s)});
  hear(1, {rank(1, By::lines, 12s, 20s)});
  EXPECT_EQ(what(), "rank 1 of 2 made no progress for 10s");
}

TEST_F(Watch, JudgesByCollectiveCallsAsByLines) {
  hear(0, {rank(0, By::calls, 12s, 100s)});
  hear(1, {rank(1, By::calls, 12s, 100s)});
  EXPECT_EQ(what(), "ranks 0, 1 of 2 made no progress for 10s");
  EXPECT_THAT(look().hang->detail, HasSubstr("rank 0 on a: last collective call at "));
}

TEST_F(Watch, AFewLinesAtTheStartAreNoHabit) {
  hear(0, {rank(0, By::lines, 1s, 100s)});
  hear(1, {rank(1, By::lines, 600s, 19s)});
  EXPECT_EQ(what(), "fine");
  hear(1, {rank(1, By::nothing, 600s)});
  EXPECT_EQ(what(), "fine");
}

TEST_F(Watch, SaysNothingOfRanksWhoseNodeIsNotHeard) {
  hear(0, {rank(0, By::lines, 30s)});
  EXPECT_EQ(what(), "unknown") << "the other has yet to start";
  hear(1, {rank(1, By::lines, 30s)});
  now += 5s;
  hear(0, {rank(0, By::lines, 35s)});
  EXPECT_EQ(what(), "unknown");
}

TEST_F(Watch, LeavesOutJobsThatEndedOrWait) {
  hear(0, {rank(0, By::lines, 30s)});
  record.attempts.back().jobs[1].state = State::finished;
  EXPECT_EQ(what(), "rank 0 of 1 made no progress for 10s");
  record.attempts.back().jobs[1].state = State::running;
  hear(1, {}, JobStep::phase_done);
  EXPECT_EQ(what(), "rank 0 of 1 made no progress for 10s");
}

TEST_F(Watch, ForgetsAnOlderAttempt) {
  hear(0, {rank(0, By::lines, 30s)});
  hear(1, {rank(1, By::lines, 30s)});
  record.attempts.back().epoch = 8;
  EXPECT_EQ(what(), "unknown");
  auto late = update_of(record, JobStep::running);
  hear(0, {rank(0, By::lines, 1s)});
  late.key.epoch = 7;
  late.ranks = {rank(0, By::lines, 40s)};
  watch.update(late, now);
  hear(1, {rank(1, By::lines, 1s)});
  EXPECT_EQ(what(), "fine");
}

TEST_F(Watch, TellsOfAFewOfVeryMany) {
  std::vector<RankPulse> many;
  for (uint32_t i = 0; i < 100; ++i) many.push_back(rank(i, By::lines, 30s));
  hear(0, many);
  hear(1, {rank(100, By::lines, 30s)});
  auto error = *look().hang;
  EXPECT_THAT(error.what, HasSubstr("6, 7 and 93 more of 101"));
  EXPECT_THAT(error.detail, Not(HasSubstr("rank 8 ")));
}

}  // namespace
}  // namespace troupe::actors
