// The state machine of one experiment, input by input.
#include "runtime/core/limits.hpp"
#include "runtime/core/recovery.hpp"
#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Next = Effects::Next;

std::vector<std::string> steps(const Effects& effects) {
  std::vector<std::string> list;
  for (const auto& event : effects.events) list.push_back(event.from + ">" + event.to);
  return list;
}

class Life : public ::testing::Test {
 protected:
  explicit Life(ExperimentSpec spec = spec_of()) : life{record_of(std::move(spec))} {}

  const ExperimentRecord& record() const { return life.record(); }
  Effects place(const std::vector<std::string>& nodes = {"a"}) {
    return life.place(places_on(nodes), ++epoch, t0);
  }
  Effects runs(uint32_t index = 0) {
    return life.update(update_of(record(), JobStep::running, index), t0);
  }
  Effects exits(int32_t code, uint32_t index = 0, int32_t signal = 0) {
    return life.update(exit_of(record(), code, index, signal), t0);
  }
  /// A life that was read from the ledger as it stands.
  ExperimentLife restarted() const { return ExperimentLife{record()}; }

  ExperimentLife life;
  uint64_t epoch = 100;
};

class RetriedLife : public Life {
 protected:
  RetriedLife() : Life{spec()} {}
  static ExperimentSpec spec() {
    auto spec = spec_of();
    spec.retry = {2, std::chrono::seconds{30}};
    return spec;
  }
};

TEST_F(Life, GoesThroughEveryStateToFinished) {
  EXPECT_THAT(steps(place()), ElementsAre("QUEUED>PREPARING"));
  EXPECT_EQ(record().attempts.size(), 1u);
  EXPECT_EQ(record().attempts[0].number, 1u);
  EXPECT_EQ(record().attempts[0].epoch, 101u);
  auto starting = life.update(update_of(record(), JobStep::starting), t0);
  EXPECT_THAT(steps(starting), ElementsAre("PREPARING>STARTING"));
  EXPECT_THAT(steps(runs()), ElementsAre("STARTING>RUNNING"));
  EXPECT_EQ(record().started, t0);
  auto end = exits(0);
  EXPECT_THAT(steps(end), ElementsAre("RUNNING>FINISHED"));
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_THAT(end.released, ElementsAre(0));
  EXPECT_EQ(record().exit_code, 0);
  EXPECT_EQ(record().ended, t0);
  EXPECT_EQ(record().attempts[0].state, State::finished);
  EXPECT_EQ(record().attempts[0].jobs[0].state, State::finished);
  EXPECT_FALSE(record().error);
}

Timestamp after_ms(int64_t ms) {
  return {t0.us + ms * 1000};
}

TEST_F(Life, SaysWhatItCostToComeBackFromALostNode) {
  place({"a", "b"});
  for (uint32_t index : {0u, 1u}) runs(index);
  EXPECT_THAT(life.reported(0, after_ms(100), after_ms(100)).events, IsEmpty());
  EXPECT_THAT(life.reported(57, after_ms(900), after_ms(900)).events, IsEmpty());
  (void)life.lost_node("b", "its node b is gone", after_ms(1000), after_ms(1800));
  auto stopped = exit_of(record(), 0, 0, SIGTERM);
  stopped.stopped = true;
  (void)life.update(stopped, after_ms(1900));
  ASSERT_EQ(record().state, State::queued);
  (void)life.place(places_on({"a", "c"}), ++epoch, after_ms(2000));
  auto resumed = update_of(record(), JobStep::running);
  resumed.resumed = "step-50";
  (void)life.update(resumed, after_ms(2100));
  (void)life.update(update_of(record(), JobStep::running, 1), after_ms(2300));
  auto back = life.reported(51, after_ms(3500), after_ms(3600));
  ASSERT_EQ(back.events.size(), 1u);
  EXPECT_EQ(back.events[0].kind, "recovery");
  EXPECT_EQ(back.events[0].cause,
            "7 steps lost; noticed in 800ms, rebuilt in 500ms, first report after 1.2s");
  EXPECT_TRUE(back.changed);
  EXPECT_THAT(life.reported(52, after_ms(3700), after_ms(3700)).events, IsEmpty());
}

TEST_F(RetriedLife, NothingIsKnownOfARecoveryBeforeItsProcessesRun) {
  place();
  runs();
  exits(1);
  ASSERT_EQ(record().state, State::queued);
  place();
  const auto& attempts = record().attempts;
  EXPECT_FALSE(recovery_of(attempts[0], attempts[1]));
  runs();
  auto recovery = recovery_of(attempts[0], attempts[1]);
  ASSERT_TRUE(recovery);
  EXPECT_FALSE(recovery->lost_steps) << "it never reported any";
  EXPECT_FALSE(recovery->warm_up);
  EXPECT_TRUE(recovery->rebuild);
}

TEST_F(Life, TellsTheSameStoryOfAJobThatReportsItsEndOnly) {
  place();
  auto end = exits(0);
  EXPECT_THAT(steps(end),
              ElementsAre("PREPARING>STARTING", "STARTING>RUNNING", "RUNNING>FINISHED"));
  EXPECT_EQ(end.next, Next::ended);
}

TEST_F(Life, GivesEachStepItsOwnCause) {
  for (bool end_only : {false, true}) {
    ExperimentLife other{record_of(spec_of())};
    std::vector<Event> events = other.place(places_on({"a"}), 7, t0).events;
    auto update =
        end_only ? exit_of(other.record(), 0) : update_of(other.record(), JobStep::running);
    for (auto& event : other.update(update, t0).events) events.push_back(std::move(event));
    std::set<std::string> causes;
    for (const auto& event : events) EXPECT_TRUE(causes.insert(event.cause).second) << event.cause;
    EXPECT_TRUE(causes.contains("starting its processes"));
  }
}

TEST_F(Life, NamesExitCodesAndSignalsInTheError) {
  place();
  auto end = exits(3);
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().exit_code, 3);
  ASSERT_TRUE(record().error);
  EXPECT_THAT(record().error->what, HasSubstr("42.worker.0 ended with exit code 3"));
  EXPECT_THAT(record().error->hint, HasSubstr("troupe logs 42"));
  ASSERT_TRUE(end.events.back().error);
  EXPECT_EQ(*end.events.back().error, *record().error);
}

TEST_F(Life, ExplainsAKillFromOutside) {
  place();
  exits(0, 0, SIGKILL);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().exit_code, 137);
  EXPECT_THAT(record().error->what, HasSubstr("SIGKILL"));
  EXPECT_THAT(record().error->detail, HasSubstr("out of memory"));
}

TEST_F(Life, KeepsTheErrorTheNodeGave) {
  place();
  auto update = exit_of(record(), 1);
  update.error = Error{Errc::exhausted, "job 42.worker.0 ran out of memory", "d", "h"};
  life.update(update, t0);
  EXPECT_EQ(record().error, update.error);
}

TEST_F(RetriedLife, RetriesItsOwnFailuresAsOftenAsAskedAndWaitsBetween) {
  for (uint32_t attempt = 1; attempt <= 2; ++attempt) {
    place();
    auto end = exits(1);
    EXPECT_THAT(steps(end), ElementsAre("PREPARING>STARTING", "STARTING>RUNNING",
                                        "RUNNING>RESTARTING", "RESTARTING>QUEUED"));
    EXPECT_EQ(end.next, Next::requeue);
    EXPECT_EQ(end.backoff, std::chrono::seconds{30});
    EXPECT_THAT(record().reason, HasSubstr("retry " + std::to_string(attempt) + " of 2"));
    EXPECT_FALSE(record().error);
    EXPECT_EQ(record().attempts.back().state, State::failed);
    EXPECT_TRUE(record().attempts.back().error);
  }
  place();
  EXPECT_EQ(exits(1).next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().attempts.size(), 3u);
}

TEST(LifeRetries, EndEvenWhereThereAreMoreThanAttemptsAreKept) {
  auto spec = spec_of();
  spec.retry.count = limits::attempts_kept + 10;
  ExperimentLife life{record_of(spec)};
  uint32_t attempts = 0;
  while (life.record().state == State::queued && attempts < 100) {
    life.place(places_on({"a"}), ++attempts, t0);
    life.update(exit_of(life.record(), 1), t0);
    if (attempts % 3 == 0) life = ExperimentLife{life.record()};  // the head is restarted
  }
  EXPECT_EQ(life.record().state, State::failed);
  EXPECT_EQ(attempts, spec.retry.count + 1);
  EXPECT_EQ(life.record().attempts.size(), limits::attempts_kept);
  EXPECT_EQ(life.record().attempts.back().number, attempts);
}

TEST_F(RetriedLife, CountsLossesApartAndGivesUpAfterFive) {
  std::vector<Duration> pauses;
  for (uint32_t i = 0; i < ExperimentLife::infrastructure_restarts_max; ++i) {
    place();
    auto end = life.update(infrastructure_end_of(record()), t0);
    EXPECT_EQ(end.next, Next::requeue);
    pauses.push_back(end.backoff);
    EXPECT_EQ(record().attempts.back().state, State::restarting);
  }
  place();
  EXPECT_EQ(life.update(infrastructure_end_of(record()), t0).next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().failures, 0u);
  // At once after the first, then longer each time, up to a limit.
  using std::chrono::seconds;
  EXPECT_THAT(pauses, ElementsAre(seconds{0}, seconds{2}, seconds{4}, seconds{8}, seconds{10}));
}

TEST_F(RetriedLife, LossesAfterALongRunAreChanceAgain) {
  auto now = t0;
  for (uint32_t i = 0; i < 3 * ExperimentLife::infrastructure_restarts_max; ++i) {
    (void)life.place(places_on({"a"}), ++epoch, now);
    now.us += std::chrono::microseconds{std::chrono::minutes{10}}.count();
    auto end = life.update(infrastructure_end_of(record()), now);
    EXPECT_EQ(end.next, Next::requeue) << i;
    EXPECT_EQ(end.backoff, Duration{0});
  }
}

TEST_F(Life, RestartsAfterTheLossOfItsNode) {
  place();
  runs();
  auto end = life.lost_node("a", "its node a is gone", t0, t0);
  EXPECT_THAT(steps(end), ElementsAre("RUNNING>RESTARTING", "RESTARTING>QUEUED"));
  EXPECT_THAT(end.released, ElementsAre(0));
  EXPECT_EQ(end.next, Next::requeue);
  EXPECT_THAT(place().events.back().cause, HasSubstr("placed on a"));
  EXPECT_EQ(record().attempts.back().number, 2u);
}

TEST_F(Life, IgnoresTheLossOfOtherNodes) {
  place();
  auto effects = life.lost_node("b", "gone", t0, t0);
  EXPECT_THAT(effects.events, IsEmpty());
  EXPECT_EQ(record().state, State::preparing);
}

// Kills -------------------------------------------------------------------------------------------

TEST_F(Life, KilledWhileQueuedEndsAtOnce) {
  auto end = life.kill("killed by ada", t0);
  EXPECT_THAT(steps(end), ElementsAre("QUEUED>KILLING", "KILLING>KILLED"));
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_EQ(record().reason, "killed by ada");
}

class KilledAfter : public Life, public ::testing::WithParamInterface<int> {};

TEST_P(KilledAfter, StopsItsJobAndEndsWithIt) {
  place();
  if (GetParam() > 0) life.update(update_of(record(), JobStep::starting), t0);
  if (GetParam() > 1) runs();
  auto kill = life.kill("killed by ada", t0);
  EXPECT_EQ(record().state, State::killing);
  EXPECT_THAT(kill.stop, ElementsAre(0));
  EXPECT_EQ(kill.grace, limits::kill_grace);
  EXPECT_EQ(kill.next, Next::none);
  EXPECT_THAT(life.kill("again", t0).events, IsEmpty());
  auto end = exits(0, 0, SIGTERM);
  EXPECT_THAT(steps(end), ElementsAre("KILLING>KILLED"));
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_EQ(record().reason, "killed by ada");
  EXPECT_EQ(record().attempts.back().state, State::killed);
}
INSTANTIATE_TEST_SUITE_P(States, KilledAfter, ::testing::Values(0, 1, 2));

TEST_F(Life, EndsKilledEvenWhereTheJobEndedWellMeanwhile) {
  place();
  runs();
  life.kill("killed by ada", t0);
  EXPECT_EQ(exits(0).next, Next::ended);
  EXPECT_EQ(record().state, State::killed);
}

TEST_F(RetriedLife, CanBeKilledDuringTheBackoff) {
  place();
  exits(1);
  ASSERT_EQ(record().state, State::queued);
  auto end = life.kill("killed by ada", t0);
  EXPECT_THAT(steps(end), ElementsAre("QUEUED>KILLING", "KILLING>KILLED"));
  EXPECT_THAT(end.stop, IsEmpty());
  EXPECT_THAT(end.released, IsEmpty());
  EXPECT_EQ(end.next, Next::ended);
}

TEST_F(Life, KillOfWhatHasEndedChangesNothing) {
  place();
  exits(0);
  auto effects = life.kill("killed by ada", t0);
  EXPECT_THAT(effects.events, IsEmpty());
  EXPECT_EQ(effects.next, Next::none);
  EXPECT_EQ(record().state, State::finished);
}

TEST_F(Life, AKillThatWasLostIsSaidAgainToAJobThatGoesOn) {
  place();
  runs();
  life.kill("killed by ada", t0);
  auto again = restarted();
  auto effects = again.update(update_of(again.record(), JobStep::running), t0);
  EXPECT_THAT(effects.stop, ElementsAre(0));
  EXPECT_EQ(effects.grace, limits::kill_grace);
  EXPECT_THAT(effects.events, IsEmpty());
  EXPECT_EQ(again.update(exit_of(again.record(), 0, 0, SIGTERM), t0).next, Next::ended);
  EXPECT_EQ(again.record().state, State::killed);
  EXPECT_EQ(again.record().reason, "killed by ada");
}

// Limits, preemption ------------------------------------------------------------------------------

TEST(LifeLimits, EndWhatRunsTooLongAsFailed) {
  auto spec = spec_of();
  spec.limits.running = std::chrono::minutes{5};
  ExperimentLife life{record_of(spec)};
  EXPECT_THAT(life.running_limit(t0).stop, IsEmpty());
  life.place(places_on({"a"}), 7, t0);
  life.update(update_of(life.record(), JobStep::running), t0);
  auto stop = life.running_limit(t0);
  EXPECT_THAT(stop.stop, ElementsAre(0));
  EXPECT_THAT(life.running_limit(t0).stop, IsEmpty());
  EXPECT_EQ(life.record().state, State::running);
  auto end = life.update(exit_of(life.record(), 0, 0, SIGTERM), t0);
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_EQ(life.record().state, State::failed);
  EXPECT_EQ(life.record().error->code, Errc::timed_out);
  EXPECT_THAT(life.record().reason, HasSubstr("running limit of 5m"));
}

TEST_F(Life, IsQueuedAgainWhenPreempted) {
  place();
  runs();
  auto stop = life.preempt("the head is stopping", t0);
  EXPECT_THAT(stop.stop, ElementsAre(0));
  auto told = exit_of(record(), 0);  // it saved what it had and left
  told.stopped = true;
  auto end = life.update(told, t0);
  EXPECT_THAT(steps(end), ElementsAre("RUNNING>PREEMPTED", "PREEMPTED>QUEUED"));
  EXPECT_EQ(end.next, Next::requeue);
  EXPECT_EQ(record().failures + record().restarts, 0u);
  place();
  exits(0);
  EXPECT_EQ(record().state, State::finished);
}

TEST_F(Life, IsDoneWhereItEndedBeforeItHeardOfItsPreemption) {
  place();
  runs();
  life.preempt("gives its place to 57", t0);
  EXPECT_EQ(exits(0).next, Next::ended);
  EXPECT_EQ(record().state, State::finished);
  EXPECT_EQ(record().preempted, "");
}

TEST_F(Life, AHeadThatComesBackTakesNoPreemptionForAFailure) {
  place();
  runs();
  life.preempt("gives its place to 57", t0);
  ExperimentLife again{record()};
  auto end = exit_of(again.record(), 0, 0, SIGTERM);
  end.stopped = true;
  EXPECT_THAT(steps(again.update(end, t0)), ElementsAre("RUNNING>PREEMPTED", "PREEMPTED>QUEUED"));
  EXPECT_EQ(again.record().failures + again.record().restarts, 0u);
  EXPECT_EQ(again.record().preempted, "gives its place to 57");
  again.place(places_on({"a"}), 8, t0);
  EXPECT_EQ(again.record().preempted, "");
  EXPECT_EQ(again.update(exit_of(again.record(), 1), t0).next, Next::ended) << "a failure is one";
}

TEST_F(Life, AKillOvertakesAPreemption) {
  place();
  runs();
  life.preempt("the head is stopping", t0);
  EXPECT_THAT(life.kill("killed by ada", t0).stop, ElementsAre(0));
  EXPECT_EQ(exits(0, 0, SIGTERM).next, Next::ended);
  EXPECT_EQ(record().state, State::killed);
}

// Gangs -------------------------------------------------------------------------------------------

TEST_F(Life, AGangRunsWhenAllItsJobsRun) {
  place({"a", "b", "b"});
  EXPECT_THAT(record().reason, HasSubstr("placed on a, b"));
  EXPECT_THAT(runs(0).events, IsEmpty());
  EXPECT_THAT(runs(1).events, IsEmpty());
  EXPECT_THAT(steps(runs(2)), ElementsAre("PREPARING>STARTING", "STARTING>RUNNING"));
  EXPECT_EQ(exits(0, 1).next, Next::none);
  EXPECT_EQ(exits(0, 0).next, Next::none);
  EXPECT_EQ(exits(0, 2).next, Next::ended);
  EXPECT_EQ(record().state, State::finished);
}

TEST_F(Life, AGangMemberThatEndsWellEarlyDoesNotHoldUpTheOthers) {
  place({"a", "b"});
  EXPECT_EQ(exits(0, 0).next, Next::none);
  EXPECT_EQ(record().state, State::preparing);
  EXPECT_THAT(steps(runs(1)), ElementsAre("PREPARING>STARTING", "STARTING>RUNNING"));
  EXPECT_EQ(exits(0, 1).next, Next::ended);
  EXPECT_EQ(record().state, State::finished);
}

TEST_F(Life, OneFailingRankEndsTheGangAndIsNamed) {
  place({"a", "b", "c"});
  for (uint32_t i = 0; i < 3; ++i) runs(i);
  auto fail = exits(9, 1);
  EXPECT_THAT(fail.stop, ElementsAre(0, 2));
  EXPECT_THAT(fail.released, ElementsAre(1));
  EXPECT_EQ(fail.next, Next::none);
  EXPECT_EQ(record().state, State::running);
  EXPECT_EQ(exits(0, 2, SIGTERM).next, Next::none);
  EXPECT_EQ(exits(0, 0).next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().exit_code, 9) << "the first failure counts, not what it caused";
  EXPECT_THAT(record().error->what, HasSubstr("42.worker.1"));
}

TEST_F(Life, AFailedRankIsRememberedAcrossARestartOfTheHead) {
  place({"a", "b"});
  exits(9, 1);  // before anything was seen running: the record is saved with it
  auto again = restarted();
  auto effects = again.update(update_of(again.record(), JobStep::running, 0), t0);
  EXPECT_THAT(effects.stop, ElementsAre(0));
  EXPECT_EQ(again.update(exit_of(again.record(), 0, 0), t0).next, Next::ended);
  EXPECT_EQ(again.record().state, State::failed);
  EXPECT_EQ(again.record().exit_code, 9);
  EXPECT_THAT(again.record().error->what, HasSubstr("42.worker.1"));
}

TEST_F(Life, ALostRankIsRememberedAsLostAcrossARestartOfTheHead) {
  place({"a", "b"});
  life.update(infrastructure_end_of(record(), 1), t0);
  auto again = restarted();
  again.update(exit_of(again.record(), 0, 0, SIGTERM), t0);
  EXPECT_EQ(again.record().state, State::queued);
  EXPECT_EQ(again.record().restarts, 1u);
}

TEST_F(Life, AGangThatLosesANodeIsStoppedAndRestarted) {
  place({"a", "b", "a"});
  for (uint32_t i = 0; i < 3; ++i) runs(i);
  auto lost = life.lost_node("a", "its node a is gone", t0, t0);
  EXPECT_THAT(lost.released, ElementsAre(0, 2));
  EXPECT_THAT(lost.stop, ElementsAre(1));
  EXPECT_EQ(lost.next, Next::none);
  EXPECT_EQ(exits(0, 1, SIGTERM).next, Next::requeue);
}

TEST_F(Life, AJobThatWasGivenUpWithItsNodeIsStoppedWhenItComesBack) {
  place({"a", "b"});
  runs(0);
  runs(1);
  life.lost_node("a", "gone", t0, t0);
  auto back = runs(0);
  EXPECT_THAT(back.stop, ElementsAre(0u)) << "its place may have been given to another";
  EXPECT_EQ(back.grace, Duration{0});
  EXPECT_THAT(exits(0, 0).stop, IsEmpty());
}

TEST_F(Life, TheGangGoesOnWhenAllHaveReachedTheBarrier) {
  place({"a", "b"});
  auto done = [&](ExperimentLife& of, uint32_t index, uint32_t phase) {
    auto update = update_of(of.record(), JobStep::phase_done, index);
    update.phase = phase;
    return of.update(update, t0);
  };
  EXPECT_FALSE(done(life, 0, 0).go_phase);
  EXPECT_EQ(done(life, 1, 0).go_phase, 1u);
  EXPECT_EQ(done(life, 1, 0).go_phase, 1u) << "asked again: it may have missed it";
  EXPECT_FALSE(done(life, 0, 1).go_phase);
  EXPECT_EQ(done(life, 1, 1).go_phase, 2u);
  EXPECT_EQ(record().state, State::preparing);
}

TEST_F(Life, ABarrierIsFoundAgainAfterARestartOfTheHead) {
  place({"a", "b"});
  auto again = restarted();
  // Job 0 was told to go on and did; job 1 still waits behind line 0.
  auto waits = update_of(again.record(), JobStep::phase_done, 1);
  EXPECT_FALSE(again.update(waits, t0).go_phase);
  auto goes = update_of(again.record(), JobStep::running, 0);
  goes.phase = 1;
  EXPECT_EQ(again.update(goes, t0).go_phase, 1u);
}

TEST_F(Life, WhoWaitsBehindOneThatHasEndedGoesOn) {
  place({"a", "b"});
  auto again = restarted();
  auto waits = update_of(again.record(), JobStep::phase_done, 0);
  EXPECT_FALSE(again.update(waits, t0).go_phase) << "nobody knows how far the other is";
  EXPECT_EQ(again.update(exit_of(again.record(), 0, 1), t0).go_phase, 1u);
  EXPECT_FALSE(again.update(exit_of(again.record(), 0, 0), t0).go_phase);
  EXPECT_EQ(again.record().state, State::finished);
}

// Stale and late ----------------------------------------------------------------------------------

TEST_F(Life, UpdatesOfAnEarlierAttemptAreDropped) {
  place();
  auto stale = exit_of(record(), 0);
  life.lost_node("a", "gone", t0, t0);
  place({"b"});
  auto effects = life.update(stale, t0);
  EXPECT_THAT(effects.events, IsEmpty());
  EXPECT_THAT(effects.released, IsEmpty());
  EXPECT_EQ(record().state, State::preparing);
  EXPECT_FALSE(record().attempts.back().ended);
}

TEST_F(Life, ASecondEndOfTheSameJobIsDropped) {
  place({"a", "b"});
  exits(0, 0);
  auto effects = exits(5, 0);
  EXPECT_THAT(effects.released, IsEmpty());
  EXPECT_EQ(record().attempts.back().jobs[0].exit_code, 0);
}

TEST_F(Life, UpdatesForJobsThatDoNotExistAreDropped) {
  place();
  EXPECT_THAT(exits(0, 7).events, IsEmpty());
  EXPECT_EQ(record().state, State::preparing);
}

TEST_F(Life, UpdatesInTheBackoffAreDropped) {
  place();
  auto late = update_of(record(), JobStep::running);
  life.lost_node("a", "gone", t0, t0);
  EXPECT_THAT(life.update(late, t0).events, IsEmpty());
  EXPECT_EQ(record().state, State::queued);
}

TEST_F(Life, AStopThatNobodyHereAskedForIsRepeatedNotBelieved) {
  place();
  runs();
  auto again = restarted();  // the head died after it had told the job to save and leave
  auto update = exit_of(again.record(), 0);
  update.stopped = true;
  EXPECT_EQ(again.update(update, t0).next, Next::requeue);
  EXPECT_EQ(again.record().state, State::queued);
  EXPECT_EQ(again.record().restarts, 1u);
}

TEST_F(Life, AnExclusiveOneWaitsForTheLeaseOfWhatNobodySawEnd) {
  auto with = [&](bool exclusive, std::vector<std::string> nodes = {"a"}) {
    auto spec = spec_of();
    spec.exclusive = exclusive;
    spec.retry.count = 1;
    spec.workers.min = spec.workers.max = static_cast<uint32_t>(nodes.size());
    ExperimentLife made{record_of(spec)};
    made.place(places_on(nodes), 7, t0);
    return made;
  };
  auto lost = with(true);
  EXPECT_TRUE(lost.lost_node("a", "its node is gone", t0, t0).awaits_lease);
  EXPECT_FALSE(with(false).lost_node("a", "its node is gone", t0, t0).awaits_lease);
  // Lost while it was being stopped in favour of another.
  auto stopped = with(true);
  stopped.preempt("for another", t0);
  EXPECT_TRUE(stopped.lost_node("a", "its node is gone", t0, t0).awaits_lease);
  // An end that was seen needs no waiting, nor does the attempt after a lost one.
  auto seen = with(true);
  EXPECT_FALSE(seen.update(exit_of(seen.record(), 1), t0).awaits_lease);
  lost.place(places_on({"b"}), 8, t0);
  EXPECT_FALSE(lost.update(exit_of(lost.record(), 1), t0).awaits_lease);
  // One job of a gang was lost before the head was restarted, the other ends behind that.
  auto gang = with(true, {"a", "b"});
  gang.lost_node("a", "its node is gone", t0, t0);
  ExperimentLife again{gang.record()};
  EXPECT_TRUE(again.update(exit_of(again.record(), 0, 1, SIGTERM), t0).awaits_lease);
}

TEST_F(Life, AdoptsAnAttemptTheLedgerDoesNotKnow) {
  auto adopted = life.adopt({place_on("a", {1, 3})}, 77, 4, t0);
  EXPECT_THAT(steps(adopted), ElementsAre("QUEUED>PREPARING"));
  EXPECT_EQ(record().attempts.back().epoch, 77u);
  EXPECT_EQ(record().attempts.back().number, 4u);
  EXPECT_THAT(record().attempts.back().jobs[0].gpus, ElementsAre(1, 3));
  EXPECT_EQ(runs().next, Next::none);
  EXPECT_EQ(exits(0).next, Next::ended);
}

TEST_F(Life, KeepsTheLastValueOfEachMetricUpToALimit) {
  for (size_t i = 0; i < limits::metric_names_max + 5; ++i)
    life.metric("m" + std::to_string(i), static_cast<double>(i));
  EXPECT_EQ(record().metrics.size(), limits::metric_names_max);
  life.metric("m0", 9);
  EXPECT_EQ(record().metrics.at("m0"), 9);
}

TEST_F(Life, BlamesTheNodeForWhatItDidNotDoItself) {
  place({"a", "b"});
  EXPECT_THAT(exits(1, 0).blamed, IsEmpty());
  ExperimentLife other{record_of(spec_of())};
  other.place(places_on({"a", "b"}), 7, t0);
  auto failed = other.update(infrastructure_end_of(other.record(), 1), t0);
  ASSERT_EQ(failed.blamed.size(), 1u);
  EXPECT_EQ(failed.blamed[0].first, "b");
  EXPECT_EQ(failed.blamed[0].second, "the launcher is gone");
  EXPECT_THAT(other.lost_node("a", "its node a is gone", t0, t0).blamed, IsEmpty())
      << "it had failed";
  ExperimentLife lost{record_of(spec_of())};
  lost.place(places_on({"a"}), 7, t0);
  auto gone = lost.lost_node("a", "its node a is gone", t0, t0);
  ASSERT_EQ(gone.blamed.size(), 1u);
  EXPECT_EQ(gone.blamed[0].second, "its node a is gone");
}

}  // namespace
}  // namespace troupe::actors
