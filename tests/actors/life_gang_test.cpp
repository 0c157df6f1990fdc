// Lives of several jobs: they start, pass barriers and end together.
#include "tests/actors/life_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Next = Effects::Next;

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

}  // namespace
}  // namespace troupe::actors
