// Sets that people change while they run, and sets that have used up their budget.
#include "actors/head/search_checker.hpp"
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::HasSubstr;

class SetChanges : public SetTest {
 protected:
  static Submission grid(uint64_t members) {
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.sweep->strategy = "grid";
    submission.sweep->seed = 7;
    submission.sweep->concurrency = 2;
    submission.sweep->metric = Metric{false, "loss"};
    Parameter x;
    x.name = "x";
    x.range = ParameterRange{Value{1}, Value{static_cast<int64_t>(members)}, {}, {}, false};
    submission.experiment.parameters = {x};
    return submission;
  }
  static Submission tpe(uint64_t trials) {
    auto submission = grid(1000);
    submission.sweep->strategy = "tpe";
    submission.sweep->trials = trials;
    return submission;
  }
  uint64_t start(Submission submission) {
    if (!node) {
      start_head();
      node = join("a", 64000);
    }
    return SetTest::start(std::move(submission));
  }
  Result<bool> wish(uint64_t top, api::SetChange wanted) {
    return ask<bool>(director, change_atom_v, std::string{"ada"}, top,
                     SetChangeRef{std::make_shared<const api::SetChange>(std::move(wanted))});
  }
  Result<bool> change(uint64_t top, ValueMap changes) {
    return wish(top, api::SetChange{std::move(changes), {}, {}});
  }
  void end_all() {
    while (!running().empty()) report_exit(running().front(), 0);
  }
  void restart() {
    auto orders = running();
    restart_with(orders);
    node->started = orders;
  }
  uint64_t differences(uint64_t top) {
    auto replay = replay_search(*ledger, top);
    EXPECT_TRUE(replay) << to_string(replay.error());
    for (const auto& difference : replay->first) ADD_FAILURE() << difference;
    return replay->differences;
  }
  Value x_of(uint64_t top, uint32_t member) { return experiment({top, member}).params.at("x"); }
};

TEST_F(SetChanges, MoreAtATimeAndFewer) {
  auto top = start(grid(20));
  EXPECT_EQ(running().size(), 2u);
  ASSERT_TRUE(change(top, {{"concurrency", 5}}));
  EXPECT_EQ(running().size(), 5u);
  EXPECT_EQ(set(top).sweep.concurrency, 5u);
  EXPECT_EQ(set(top).as_submitted().concurrency, 2u);
  ASSERT_TRUE(change(top, {{"concurrency", 1}}));
  report_exit(running().front(), 0);
  EXPECT_EQ(running().size(), 4u) << "what runs is let run, nothing is made";
  restart();
  EXPECT_EQ(set(top).sweep.concurrency, 1u);
  report_exit(running().front(), 0);
  EXPECT_EQ(running().size(), 3u);
  ASSERT_TRUE(change(top, {{"concurrency", Value{}}}));
  EXPECT_EQ(running().size(), 18u);
  end_all();
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 20u);
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, MoreTrialsAndFewer) {
  auto top = start(tpe(4));
  ASSERT_TRUE(change(top, {{"trials", 9}}));
  EXPECT_EQ(set(top).size, 9u);
  report_exit(running().front(), 0);
  restart();
  auto few = change(top, {{"trials", 2}});
  ASSERT_FALSE(few);
  EXPECT_THAT(few.error().detail, HasSubstr("3 members exist already"));
  while (set(top).next <= 6) report_exit(running().front(), 0);
  ASSERT_TRUE(change(top, {{"trials", 6}}));
  end_all();
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 6u);
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, AnotherStopRule) {
  auto top = start(grid(9));
  ASSERT_TRUE(change(top, {{"stop_when", "loss < 1"}}));
  ASSERT_TRUE(change(top, {{"early_stop", ValueMap{{"algorithm", "asha"}, {"max", 9}}}}));
  auto report = [&](const JobOrder& order, double loss) {
    MetricBatch batch;
    batch.key = order.key;
    batch.attempt = order.attempt;
    batch.source = "log";
    batch.to = 1;
    batch.points.push_back({"loss", {1}, {loss}, t0.us, 1});
    caf::anon_send(director, metrics_atom_v, std::move(batch));
    run();
  };
  auto orders = running();
  ASSERT_EQ(orders.size(), 2u);
  report(orders[0], 3);
  report(orders[1], 4);
  EXPECT_EQ(node->stopped.size(), 1u) << "it ran before there was a rule";
  report_exit(orders[1], 0);
  EXPECT_THAT(experiment(orders[1].key.job.experiment).stopped, HasSubstr("asha: 4"));
  report(running().back(), 0.5);
  EXPECT_THAT(set(top).stop_reason, HasSubstr("loss < 1"));
  end_all();
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, WhatIsWrongChangesNothing) {
  auto top = start(grid(9));
  auto expect_error = [&](ValueMap changes, const std::string& text) {
    auto refused = change(top, std::move(changes));
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(to_string(refused.error()), HasSubstr(text));
  };
  expect_error({{"concurrency", 0}}, "concurrency cannot be 0");
  expect_error({{"concurrency", 5}, {"trials", "many"}}, "trials cannot be \"many\"");
  expect_error({{"concurency", 5}}, "concurrency");
  expect_error({{"budget", "40"}}, "\"40\" is no budget");
  expect_error({{"stop_when", "loss <"}}, "stop_when");
  expect_error({{"early_stop", ValueMap{{"algorithm", "ash"}}}}, "asha");
  EXPECT_EQ(set(top).sweep.concurrency, 2u);
  EXPECT_EQ(change(99, {{"trials", 5}}).error().code, Errc::conflict);
  while (!running().empty()) report_exit(running().front(), 0);
  EXPECT_EQ(change(top, {{"trials", 5}}).error().code, Errc::conflict) << "it has ended";
}

TEST_F(SetChanges, PointsThatAreAddedComeNext) {
  auto submission = grid(6);
  submission.experiment.parameters[0].range->step = Value{2};  // 1, 3, 5
  submission.experiment.parameters[0].range->max = Value{9};   // 1, 3, 5, 7, 9
  submission.sweep->trials = 3;
  auto top = start(std::move(submission));
  api::SetChange wanted;
  wanted.add = {{{"x", Value{9}}}};
  ASSERT_TRUE(wish(top, wanted));
  EXPECT_EQ(set(top).size, 4u);
  auto again = wish(top, wanted);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("was added before"));
  wanted.add = {{{"x", Value{5}}}};
  EXPECT_THAT(wish(top, wanted).error().detail, HasSubstr("1.3 will try"));
  wanted.add = {{{"x", Value{4}}}};
  EXPECT_THAT(wish(top, wanted).error().detail, HasSubstr("not a value"));
  report_exit(running().front(), 0);
  EXPECT_EQ(x_of(top, 3), Value{9});
  restart();
  end_all();
  EXPECT_EQ(x_of(top, 4), Value{5});
  EXPECT_EQ(set(top).finished, 4u);
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, AStrategyThatLearnsFillsWhatWasAdded) {
  auto submission = tpe(4);
  Parameter y;
  y.name = "y";
  y.choices = {Value{"a"}, Value{"b"}};
  submission.experiment.parameters.push_back(y);
  submission.experiment.run[0].shell = "train {{x}} {{y}}";
  auto top = start(std::move(submission));
  api::SetChange wanted;
  wanted.add = {{{"x", Value{77}}}};
  ASSERT_TRUE(wish(top, wanted));
  report_exit(running().front(), 0);
  EXPECT_EQ(x_of(top, 3), Value{77});
  EXPECT_TRUE(experiment({top, 3}).params.contains("y"));
  restart();
  end_all();
  EXPECT_EQ(set(top).finished, 5u);
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, MembersThatAreSkipped) {
  auto submission = grid(6);
  submission.experiment.resources.cpus = 40;  // one fits
  auto top = start(std::move(submission));
  api::SetChange wanted;
  wanted.skip = {1, 2, 4};  // runs, waits, is not there yet
  ASSERT_TRUE(wish(top, wanted));
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(state({top, 2}), State::skipped);
  restart();
  report_exit(running().front(), 0);
  EXPECT_EQ(state({top, 1}), State::finished);
  EXPECT_EQ(experiment({top, 1}).reason, "skipped by ada");
  end_all();
  EXPECT_EQ(state({top, 4}), State::skipped);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 4u);
  EXPECT_EQ(set(top).killed, 2u);
  EXPECT_EQ(node->started.size(), 4u) << "1, and since the restart 3, 5, 6";
  EXPECT_EQ(differences(top), 0u);
}

TEST_F(SetChanges, MembersThatCannotBeSkipped) {
  auto top = start(tpe(6));
  api::SetChange wanted;
  wanted.skip = {5};
  EXPECT_THAT(wish(top, wanted).error().detail, HasSubstr("not chosen its point"));
  wanted.skip = {7};
  EXPECT_EQ(wish(top, wanted).error().code, Errc::not_found);
  report_exit(running().front(), 0);
  wanted.skip = {1};
  EXPECT_THAT(wish(top, wanted).error().detail, HasSubstr("it has ended"));
}

TEST_F(SetChanges, AWallTimeBudgetEndsAllThatRuns) {
  auto submission = grid(20);
  submission.sweep->budget = parse_budget("1h").value();
  auto top = start(std::move(submission));
  report_exit(running().front(), 0);
  for (int i = 0; i < 30; ++i) advance(minutes{1});
  EXPECT_TRUE(node->stopped.empty());
  restart();
  for (int i = 0; i < 31; ++i) advance(minutes{1});
  EXPECT_EQ(node->stopped.size(), 2u);
  EXPECT_EQ(set(top).stop_reason, "the budget of 1h is spent");
  end_all();
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 3u);
  EXPECT_EQ(set(top).next, 4u) << "nothing more was made";
  EXPECT_THAT(set(top).reason, HasSubstr("the budget of 1h is spent"));
  EXPECT_EQ(experiment({top, 2}).reason, "the budget of 1h is spent");
}

TEST_F(SetChanges, ADeviceBudgetCountsWhatMembersHold) {
  auto submission = grid(20);
  submission.experiment.resources.cpus = 4;
  submission.sweep->budget = parse_budget("10gpuh").value();  // no GPU: CPU-core-hours
  auto top = start(std::move(submission));
  for (int i = 0; i < 30; ++i) advance(minutes{1});  // two members of 4 cores: 4
  report_exit(running().front(), 0);
  ASSERT_TRUE(change(top, {{"budget", "9cpuh"}}));
  EXPECT_NEAR(static_cast<double>(set(top).spent_us) / 3.6e9, 4, 0.1);
  restart();
  for (int i = 0; i < 36; ++i) advance(minutes{1});
  EXPECT_TRUE(node->stopped.empty());
  for (int i = 0; i < 3; ++i) advance(minutes{1});
  EXPECT_EQ(node->stopped.size(), 2u);
  end_all();
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_NEAR(static_cast<double>(set(top).spent_us) / 3.6e9, 9, 0.4);
  EXPECT_EQ(differences(top), 0u);
}

}  // namespace
}  // namespace troupe::actors
