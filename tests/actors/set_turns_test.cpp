// Members that wait at rungs and go on by rank.
#include "actors/head/search_checker.hpp"
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::HasSubstr;

class SetTurns : public SetTest {
 protected:
  uint64_t start(uint64_t members, uint32_t concurrency) {
    start_head();
    node = join("a", 64000);
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.sweep->strategy = "grid";
    submission.sweep->seed = 7;
    submission.sweep->concurrency = concurrency;
    submission.sweep->metric = Metric{false, "loss"};
    submission.sweep->early_stop =
        ValueMap{{"algorithm", "asha-promote"}, {"max", 4}, {"eta", 2}};  // rungs 1, 2, 4
    Parameter x;
    x.name = "x";
    x.range = ParameterRange{Value{1}, Value{static_cast<int64_t>(members)}, {}, {}, false};
    submission.experiment.parameters = {x};
    return SetTest::start(std::move(submission));
  }
  void report_stopped(const JobOrder& order) {
    auto update = update_for(order, JobStep::ended);
    update.stopped = true;
    update.signal = 15;
    report(update);
  }
  const JobOrder& newest() const { return node->started.back(); }
  uint32_t running_member() const { return newest().key.job.experiment.member; }
  /// The one that runs comes to a rung, and ends where it is told to.
  void come_to(double step, double loss) {
    auto order = newest();
    auto stops = node->stopped.size();
    report_metrics(order, {{"loss", loss}}, step);
    if (node->stopped.size() > stops) report_stopped(order);
    for (int i = 0; i < 3; ++i) run();  // several commits, one after the other
  }
  void restart(bool runs) {
    auto orders = node->started;
    restart_with(runs ? std::vector{orders.back()} : std::vector<JobOrder>{});
    node->started = orders;
  }
};

TEST_F(SetTurns, AFreePlaceGoesToTheBestThatWaits) {
  auto top = start(4, 1);
  come_to(1, 5);
  EXPECT_EQ(state({top, 1}), State::queued);
  EXPECT_THAT(experiment({top, 1}).paused, HasSubstr("asha-promote: 5 at step 1 is number 1 of 1"));
  EXPECT_EQ(running_member(), 2u);
  come_to(1, 7);
  EXPECT_EQ(running_member(), 1u) << "of two the better one goes on before a third begins";
  EXPECT_EQ(newest().attempt, 2u);
  EXPECT_TRUE(experiment({top, 1}).paused.empty());
  EXPECT_EQ(node->started.size(), 3u) << "there is one place";
  come_to(2, 4);
  EXPECT_EQ(running_member(), 3u);
  restart(true);
  EXPECT_EQ(state({top, 2}), State::queued) << "it still waits";
  come_to(1, 6);
  EXPECT_EQ(running_member(), 4u);
  come_to(1, 1);  // the best of all goes on at once
  EXPECT_EQ(running_member(), 4u);
  EXPECT_EQ(newest().attempt, 1u);
  come_to(2, 0.5);
  EXPECT_EQ(running_member(), 4u) << "of two at the second rung it is the better one";
  report_metrics(newest(), {{"loss", 0.25}}, 4);
  report_exit(newest(), 0);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 4u);
  EXPECT_EQ(set(top).stopped, 3u);
  EXPECT_THAT(experiment({top, 2}).reason, HasSubstr("asha-promote: 7 at step 1"));
  auto replay = replay_search(*ledger, top);
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->differences, 0u);
}

TEST_F(SetTurns, WhatWaitsIsKilledWithItsSet) {
  auto top = start(4, 1);
  come_to(1, 5);
  ASSERT_EQ(running_member(), 2u);
  caf::anon_send(director, kill_atom_v, std::string{"killed by ada"}, ExperimentId{top, 0});
  run();
  EXPECT_EQ(state({top, 1}), State::killed);
  report_stopped(newest());
  EXPECT_EQ(set(top).state, State::killed);
}

TEST_F(SetTurns, ADeadHeadPausesAgainWhatItHadDecided) {
  auto top = start(4, 1);
  report_metrics(newest(), {{"loss", 5}}, 1);
  ASSERT_EQ(node->stopped.size(), 1u);
  restart(true);
  ASSERT_EQ(node->stopped.size(), 1u) << "it is told again";
  report_stopped(newest());
  EXPECT_EQ(state({top, 1}), State::queued);
  EXPECT_EQ(running_member(), 2u);
}

}  // namespace
}  // namespace troupe::actors
