// Ends of a life that come from outside: kills, limits, preemptions.
#include "tests/actors/life_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Next = Effects::Next;

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

TEST_F(Life, WaitsForNoTurnWhereItEndedBeforeItHeardOfIt) {
  place();
  runs();
  life.pause("number 2 of 4 at the rung of 3", t0);
  EXPECT_EQ(exits(0).next, Next::ended);
  EXPECT_EQ(record().state, State::finished);
  EXPECT_EQ(record().paused, "");
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

}  // namespace
}  // namespace troupe::actors
