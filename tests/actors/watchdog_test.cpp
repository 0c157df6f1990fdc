// What an experiment does where its ranks stand still: the state machine, and with its actor.
#include "runtime/core/limits.hpp"
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Next = Effects::Next;

ExperimentSpec watched(HangAction action) {
  auto spec = spec_of();
  spec.watchdog = {seconds{10}, action};
  spec.retry = {1, Duration{0}};
  return spec;
}

class StalledLife : public ::testing::Test {
 protected:
  void begin(HangAction action) {
    life = std::make_unique<ExperimentLife>(record_of(watched(action)));
    attempt();
  }
  void attempt() {
    life->place(places_on({"a", "b"}), ++epoch, t0);
    for (uint32_t index : {0u, 1u})
      life->update(update_of(life->record(), JobStep::running, index), t0);
  }
  Effects stall(Timestamp now = t0) { return life->stands_still(error, now); }
  /// Its jobs end as they were told to.
  Effects stopped(Timestamp now = t0) {
    Effects last;
    for (uint32_t index : {0u, 1u}) {
      auto update = exit_of(life->record(), 0, index, 15);
      update.stopped = true;
      last = life->update(update, now);
    }
    return last;
  }
  const ExperimentRecord& record() const { return life->record(); }

  uint64_t epoch = 100;
  Error error{Errc::timed_out, "rank 1 of 2 made no progress for 10s", "rank 1 on b", "h"};
  std::unique_ptr<ExperimentLife> life;
};

TEST_F(StalledLife, IsReportedOnceAndGoesOn) {
  begin(HangAction::report);
  auto first = stall();
  EXPECT_THAT(first.stop, IsEmpty());
  ASSERT_EQ(first.events.size(), 1u);
  EXPECT_EQ(first.events[0].kind, "watchdog");
  EXPECT_EQ(first.events[0].error, error);
  EXPECT_EQ(record().state, State::running);
  EXPECT_EQ(record().reason, error.what);
  EXPECT_EQ(record().error, error);
  EXPECT_THAT(stall().events, IsEmpty()) << "it is known";
  auto again = life->goes_on(t0);
  EXPECT_EQ(again.events.size(), 1u);
  EXPECT_FALSE(record().error);
  EXPECT_THAT(life->goes_on(t0).events, IsEmpty());
  stall();
  life->update(exit_of(record(), 0, 0), t0);
  life->update(exit_of(record(), 0, 1), t0);
  EXPECT_EQ(record().state, State::finished);
  EXPECT_FALSE(record().error);
}

TEST_F(StalledLife, StartsAgainAtNobodysExpenseButItsOwn) {
  begin(HangAction::restart);
  for (uint32_t hang = 1; hang <= ExperimentLife::hang_restarts_max; ++hang) {
    auto ends = stall();
    EXPECT_THAT(ends.stop, ElementsAre(0, 1));
    EXPECT_EQ(ends.grace, limits::kill_grace);
    EXPECT_THAT(stall().stop, IsEmpty()) << "it is being ended";
    EXPECT_EQ(stopped().next, Next::requeue);
    EXPECT_EQ(record().state, State::queued);
    EXPECT_THAT(record().reason, HasSubstr("restart " + std::to_string(hang) + " of 3"));
    EXPECT_EQ(record().attempts.back().state, State::restarting);
    EXPECT_EQ(record().attempts.back().error, error);
    EXPECT_EQ(record().failures, 0u);
    EXPECT_EQ(record().restarts, 0u);
    attempt();
  }
  stall();
  EXPECT_EQ(stopped().next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().error, error);
}

TEST_F(StalledLife, HasItsBudgetBackAfterALongRun) {
  begin(HangAction::restart);
  auto later = Timestamp{t0.us + std::chrono::microseconds{minutes{11}}.count()};
  for (int hang = 0; hang < 10; ++hang) {
    stall(later);
    EXPECT_EQ(stopped(later).next, Next::requeue);
    attempt();
  }
}

TEST_F(StalledLife, FailsWithoutARetryWhereThatIsAskedFor) {
  begin(HangAction::fail);
  EXPECT_THAT(stall().stop, ElementsAre(0, 1));
  EXPECT_EQ(stopped().next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().error, error);
  EXPECT_EQ(record().reason, error.what);
}

TEST_F(StalledLife, IsRememberedByAHeadThatWasRestarted) {
  begin(HangAction::fail);
  stall();
  life = std::make_unique<ExperimentLife>(record());
  stopped();
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().error, error);
}

TEST_F(StalledLife, YieldsToAKill) {
  begin(HangAction::restart);
  stall();
  life->kill("killed by ada", t0);
  stopped();
  EXPECT_EQ(record().state, State::killed);
}

class Watchdog : public HeadTest {
 protected:
  void SetUp() override { start_head(); }
  /// A pulse of the one rank of a job.
  void pulse(const JobOrder& order, Duration quiet) {
    auto update = update_for(order, JobStep::running);
    RankPulse rank;
    rank.rank = order.first_rank;
    rank.by = RankPulse::By::lines;
    rank.quiet_ms = quiet.count();
    update.ranks = {rank};
    report(update);
  }
};

TEST_F(Watchdog, EndsAGangOfWhichNobodyMakesProgressAndStartsItAgain) {
  auto a = join("a"), b = join("b");
  auto spec = watched(HangAction::restart);
  spec.workers.min = spec.workers.max = 2;
  spec.resources.cpus = 4;
  ASSERT_TRUE(submit(spec));
  auto first = a->started.at(0), second = b->started.at(0);
  EXPECT_EQ(first.patience_ms, 10'000);
  report_running(first);
  report_running(second);
  pulse(first, seconds{12});
  EXPECT_THAT(a->stopped, IsEmpty()) << "the other rank is not heard yet";
  pulse(second, seconds{3});
  EXPECT_THAT(a->stopped, IsEmpty());
  pulse(second, seconds{12});
  EXPECT_EQ(a->stopped.size(), 1u);
  EXPECT_EQ(b->stopped.size(), 1u);
  for (const auto& order : {first, second}) {
    auto end = update_for(order, JobStep::ended);
    end.has_exit = end.stopped = true;
    end.signal = 15;
    report(end);
  }
  advance(seconds{1});
  EXPECT_EQ(a->started.size(), 2u);
  EXPECT_EQ(b->started.size(), 2u);
  auto record = experiment({1, 0});
  EXPECT_EQ(record.failures, 0u);
  EXPECT_EQ(record.hangs, 1u);
}

}  // namespace
}  // namespace troupe::actors
