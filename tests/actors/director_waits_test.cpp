// What holds an experiment back or ends its patience: predecessors, limits, pauses between tries.
#include "tests/actors/director_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(Director, StartsAfterItsPredecessorsFinished) {
  auto first = run_one();
  auto second = run_one();
  auto spec = spec_of();
  spec.after = {first, second};
  auto last = run_one(spec);
  EXPECT_EQ(node->started.size(), 2u);
  auto why = ask<WaitingRef>(director, why_atom_v, last);
  ASSERT_TRUE(why);
  EXPECT_THAT((*why)->reasons, ElementsAre(HasSubstr("starts after 1"), HasSubstr("after 2")));
  report_exit(node->started[1], 0);
  EXPECT_EQ(node->started.size(), 2u);
  report_exit(node->started[0], 0);
  ASSERT_EQ(node->started.size(), 3u);
  EXPECT_EQ(node->started[2].key.job.experiment, last);
}

TEST_F(Director, SkipsTheChainBehindAFailure) {
  auto first = run_one();
  auto spec = spec_of();
  spec.after = {first};
  auto second = run_one(spec);
  spec.after = {second};
  auto third = run_one(spec);
  report_exit(node->started.at(0), 1);
  EXPECT_EQ(state(first), State::failed);
  EXPECT_EQ(state(second), State::skipped);
  EXPECT_EQ(state(third), State::skipped);
  EXPECT_THAT(experiment(second).reason, HasSubstr("1 ended FAILED"));
  EXPECT_EQ(node->started.size(), 1u);
}

TEST_F(Director, SkipsAtOnceWhatComesAfterAFailureThatIsHistory) {
  auto first = run_one();
  report_exit(node->started.at(0), 1);
  auto spec = spec_of();
  spec.after = {first};
  EXPECT_EQ(state(run_one(spec)), State::skipped);
}

TEST_F(Director, FailsWhatWaitsLongerThanItsPendingLimit) {
  run_one(large());
  auto spec = large();
  spec.limits.pending = minutes{5};
  auto id = run_one(spec);
  advance(minutes{5} - seconds{1});
  EXPECT_EQ(state(id), State::queued);
  advance(seconds{1});
  EXPECT_EQ(state(id), State::failed);
  EXPECT_EQ(experiment(id).error->code, Errc::timed_out);
}

TEST_F(Director, ThePendingLimitDoesNotTouchWhatRuns) {
  auto spec = spec_of();
  spec.limits.pending = minutes{5};
  auto id = run_one(spec);
  report_running(node->started.at(0));
  advance(minutes{6});
  EXPECT_EQ(state(id), State::running);
}

TEST_F(Director, EndsWhatRunsLongerThanItsRunningLimit) {
  auto spec = spec_of();
  spec.limits.running = minutes{5};
  auto id = run_one(spec);
  auto order = node->started.at(0);
  report_running(order);
  advance(minutes{5});
  ASSERT_EQ(node->stopped.size(), 1u);
  report_exit(order, 0);
  EXPECT_EQ(state(id), State::failed);
  EXPECT_EQ(experiment(id).error->code, Errc::timed_out);
}

TEST_F(Director, RetriesAfterTheBackoff) {
  auto spec = spec_of();
  spec.retry = {1, seconds{30}};
  auto id = run_one(spec);
  auto order = node->started.at(0);
  report_exit(order, 1);
  EXPECT_EQ(state(id), State::queued);
  advance(seconds{29});
  EXPECT_EQ(node->started.size(), 1u);
  advance(seconds{2});
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[1].attempt, 2u);
  EXPECT_GT(node->started[1].key.epoch, order.key.epoch);
  report_exit(node->started[1], 1);
  EXPECT_EQ(state(id), State::failed);
}

TEST_F(Director, PausesBeforeItRestartsWhatIsLostAgainAndSaysSo) {
  auto id = run_one();
  auto lose = [&](const JobOrder& order) {
    auto update = update_for(order, JobStep::ended);
    update.infrastructure = true;
    update.error = Error{Errc::unavailable, "the launcher can start nothing", "", ""};
    report(update);
  };
  lose(node->started.at(0));
  ASSERT_EQ(node->started.size(), 2u) << "the first time at once";
  lose(node->started[1]);
  EXPECT_EQ(node->started.size(), 2u);
  auto why = ask<WaitingRef>(director, why_atom_v, id);
  ASSERT_TRUE(why);
  EXPECT_THAT((*why)->reasons, ElementsAre(AllOf(HasSubstr("after a pause"),
                                                 HasSubstr("the launcher can start nothing"))));
  advance(seconds{3});
  EXPECT_EQ(node->started.size(), 3u);
}

TEST_F(Director, DrainsWithoutWaitingForABackoff) {
  auto spec = spec_of();
  spec.retry = {3, minutes{30}};
  auto id = run_one(spec);
  report_exit(node->started.at(0), 1);
  auto drained = ask<uint64_t>(director, drain_atom_v, std::string{"the head is stopping"});
  EXPECT_TRUE(drained);
  EXPECT_EQ(state(id), State::queued);
}

}  // namespace
}  // namespace troupe::actors
