// Sets: members made as places become free, and none after the end.
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Set : public SetTest {
 protected:
  static Submission grid(int64_t members) {
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.sweep->strategy = "grid";
    Parameter parameter;
    parameter.name = "x";
    parameter.range =
        ParameterRange{Value{int64_t{1}}, Value{members}, Value{int64_t{1}}, {}, false};
    submission.experiment.parameters = {parameter};
    return submission;
  }
  /// The orders of members, by number, that were started and not yet ended here.
  const JobOrder& order(uint32_t member) {
    auto it = std::find_if(node->started.rbegin(), node->started.rend(), [&](const JobOrder& o) {
      return o.key.job.experiment.member == member;
    });
    EXPECT_NE(it, node->started.rend()) << "member " << member << " was not started";
    return *it;
  }
  size_t made(uint64_t top) {
    auto members = ledger->members(top, 1, 1000);
    return members ? members->size() : 0;
  }
};

TEST_F(Set, RunsItsMembersToTheEnd) {
  start_head();
  node = join("a");
  auto top = start(grid(3));
  EXPECT_EQ(node->started.size(), 3u);
  EXPECT_THAT(order(2).phases[0].argv.back(), HasSubstr("train 2"));
  for (uint32_t member = 1; member <= 3; ++member) report_exit(order(member), member == 2 ? 1 : 0);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 2u);
  EXPECT_EQ(set(top).failed, 1u);
  EXPECT_THAT(story(std::to_string(top)),
              ElementsAre(">QUEUED", "QUEUED>RUNNING", "RUNNING>FINISHED"));
  auto killed = kill({top, 0});
  ASSERT_TRUE(killed) << to_string(killed.error());
  EXPECT_FALSE(*killed);
}

TEST_F(Set, NeverHasMoreThanItsConcurrency) {
  start_head();
  node = join("a", 64000);
  auto submission = grid(10);
  submission.sweep->concurrency = 3;
  auto top = start(std::move(submission));
  for (uint32_t ended = 0; ended < 10; ++ended) {
    EXPECT_EQ(node->started.size(), std::min<size_t>(ended + 3, 10));
    EXPECT_EQ(made(top), std::min<size_t>(ended + 3, 10)) << "members are made as they are needed";
    report_exit(order(ended + 1), 0);
  }
  EXPECT_EQ(set(top).state, State::finished);
}

TEST_F(Set, StopsAndKillsWhenItsConditionHolds) {
  start_head();
  node = join("a", 3000);
  auto submission = grid(100);
  submission.sweep->concurrency = 3;
  submission.sweep->stop_when = "accuracy > 0.9";
  auto top = start(std::move(submission));
  report_metrics(order(1), {{"accuracy", 0.5}});
  EXPECT_THAT(node->stopped, IsEmpty());
  report_metrics(order(2), {{"accuracy", 0.95}});
  EXPECT_EQ(node->stopped.size(), 3u);
  EXPECT_THAT(set(top).stop_reason, HasSubstr("member 2 met stop_when"));
  for (uint32_t member = 1; member <= 3; ++member) report_exit(order(member), 143);
  EXPECT_EQ(node->started.size(), 3u);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_THAT(set(top).reason, HasSubstr("met stop_when"));
}

TEST_F(Set, RemembersThatItStoppedAcrossARestart) {
  start_head();
  node = join("a", 3000);
  auto submission = grid(100);
  submission.sweep->concurrency = 2;
  submission.sweep->stop_when = "accuracy > 0.9";
  submission.sweep->kill_on_stop = false;
  auto top = start(std::move(submission));
  report_metrics(order(2), {{"accuracy", 0.95}});
  report_metrics(order(2), {{"accuracy", 0.1}});  // its last value, all that its record keeps
  report_exit(order(2), 0);
  EXPECT_EQ(experiment({top, 2}).metrics.at("accuracy"), 0.1);
  auto first = node->started.front();
  stop_head();
  start_head({"a"});
  node = join("a", 3000, {update_for(first, JobStep::running)});
  caf::anon_send(director, recovery_atom_v);
  run();
  EXPECT_THAT(node->started, IsEmpty()) << "it starts no more members";
  report_exit(first, 0);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(made(top), 2u);
}

TEST_F(Set, KeepsItsBestAcrossARestart) {
  start_head();
  node = join("a", 3000);
  auto submission = grid(3);
  submission.sweep->concurrency = 1;
  submission.sweep->metric = Metric{true, "accuracy"};
  auto top = start(std::move(submission));
  report_metrics(order(1), {{"accuracy", 0.9}});
  report_metrics(order(1), {{"accuracy", 0.2}});
  report_exit(order(1), 0);
  EXPECT_EQ(experiment({top, 1}).metrics.at("accuracy"), 0.2);
  auto second = order(2);
  stop_head();
  start_head({"a"});
  node = join("a", 3000, {update_for(second, JobStep::running)});
  caf::anon_send(director, recovery_atom_v);
  report_metrics(second, {{"accuracy", 0.5}});
  report_exit(second, 0);
  EXPECT_EQ(set(top).best_member, 1u);
  EXPECT_EQ(set(top).best_value, 0.9);
  report_exit(order(3), 0);
  EXPECT_EQ(set(top).finished, 3u);
  EXPECT_EQ(set(top).state, State::finished);
}

TEST_F(Set, GivesUpAfterTooManyFailures) {
  start_head();
  node = join("a", 1000);
  auto submission = grid(10);
  submission.sweep->max_failures = 1;
  submission.sweep->concurrency = 1;
  auto top = start(std::move(submission));
  report_exit(order(1), 1);
  report_exit(order(2), 1);
  EXPECT_EQ(node->started.size(), 2u);
  EXPECT_EQ(set(top).state, State::failed);
  ASSERT_TRUE(set(top).error);
  EXPECT_THAT(set(top).reason, HasSubstr("max_failures is 1"));
}

TEST_F(Set, AKillOvertakesTooManyFailures) {
  start_head();
  node = join("a", 2000);
  auto submission = grid(10);
  submission.sweep->max_failures = 0;
  submission.sweep->concurrency = 2;
  auto top = start(std::move(submission));
  report_exit(order(1), 1);
  EXPECT_TRUE(kill({top, 0}));
  EXPECT_EQ(set(top).state, State::killing);
  report_exit(order(2), 143);
  EXPECT_EQ(set(top).state, State::killed) << "what is being killed ends as killed";
}

TEST_F(Set, MakesNothingMoreOnceItIsKilled) {
  start_head();
  node = join("a", 2000);
  auto submission = grid(100);
  submission.sweep->concurrency = 5;
  auto top = start(std::move(submission));
  EXPECT_EQ(node->started.size(), 2u);
  auto killed = kill({top, 0});
  ASSERT_TRUE(killed);
  EXPECT_EQ(set(top).state, State::killing);
  EXPECT_EQ(node->stopped.size(), 2u);
  for (uint32_t member = 3; member <= 5; ++member) EXPECT_EQ(state({top, member}), State::killed);
  report_exit(order(1), 143);
  report_exit(order(2), 143);
  EXPECT_EQ(set(top).state, State::killed);
  EXPECT_EQ(set(top).killed, 5u);
  EXPECT_EQ(made(top), 5u);
  EXPECT_EQ(node->started.size(), 2u);
}

TEST_F(Set, GoesOnWhereItWasAfterARestart) {
  start_head();
  node = join("a", 2000);
  auto submission = grid(5);
  submission.sweep->concurrency = 2;
  auto top = start(std::move(submission));
  report_exit(order(1), 0);
  auto going = std::vector<JobOrder>{order(2), order(3)};
  stop_head();
  start_head({"a"});
  node = join("a", 2000,
              {update_for(going[0], JobStep::running), update_for(going[1], JobStep::running)});
  caf::anon_send(director, recovery_atom_v);
  run();
  EXPECT_THAT(node->started, IsEmpty());
  report_exit(going[0], 0);
  report_exit(going[1], 0);
  EXPECT_EQ(node->started.size(), 2u);
  report_exit(order(4), 0);
  report_exit(order(5), 0);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 5u);
}

TEST_F(Set, AHundredThousandMembersCostNoMoreThanThoseThatWait) {
  start_head();
  node = join("a", 1000);
  auto top = start(grid(100'000));
  EXPECT_EQ(set(top).size, 100'000u);
  EXPECT_EQ(set(top).next, 1025u) << "the others exist by number only";
  auto before = context->metrics->counter("troupe_ledger_commits", "").value();
  ASSERT_TRUE(kill({top, 0}));
  EXPECT_LT(context->metrics->counter("troupe_ledger_commits", "").value() - before, 50u);
  report_exit(order(1), 143);
  EXPECT_EQ(set(top).state, State::killed);
  EXPECT_EQ(set(top).next, 1025u);
}

}  // namespace
}  // namespace troupe::actors
