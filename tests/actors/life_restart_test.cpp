// How a life goes on after failures and losses: retries, pauses, leases, what they cost.
#include "runtime/core/recovery.hpp"
#include "tests/actors/life_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Next = Effects::Next;

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
