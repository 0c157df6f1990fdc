// Sets with a range of members: what is beyond their own places runs while nobody else waits.
#include "actors/head/search_checker.hpp"
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SetRanges : public SetTest {
 protected:
  static constexpr int64_t cpus = 4;

  static Submission range(const Value& concurrency, uint64_t members,
                          const std::string& strategy = "grid") {
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.experiment.resources.cpus = 1;
    submission.sweep->strategy = strategy;
    submission.sweep->seed = 7;
    if (strategy != "grid") submission.sweep->trials = members;
    EXPECT_TRUE(read_concurrency(concurrency, *submission.sweep));
    submission.sweep->metric = Metric{false, "loss"};
    Parameter x;
    x.name = "x";
    x.range = ParameterRange{Value{1}, Value{static_cast<int64_t>(members)}, {}, {}, false};
    submission.experiment.parameters = {x};
    return submission;
  }
  uint64_t start(Submission submission) {
    start_head();
    node = join("a", cpus * 1000);
    return SetTest::start(std::move(submission));
  }
  /// Another experiment, which waits where there is no room.
  ExperimentId other() {
    auto spec = spec_of();
    spec.resources.cpus = 1;
    auto submitted = submit(spec);
    EXPECT_TRUE(submitted);
    return submitted->id;
  }
  const JobOrder& newest(ExperimentId id) {
    for (size_t i = node->started.size(); i-- > 0;)
      if (node->started[i].key.job.experiment == id) return node->started[i];
    ADD_FAILURE() << to_string(id) << " was never started";
    return node->started.front();
  }
  void checkpoint(ExperimentId id, const std::string& name = "step-1") {
    auto update = update_for(newest(id), JobStep::running);
    update.checkpoints.push_back({name, clock->now().us});
    report(update);
    answer();
  }
  /// The files are on no real node: whoever asks for one is told so, and goes on without.
  void answer() {
    while (!asked.empty()) {
      for (auto& [from, question] : std::exchange(asked, {}))
        question.done(Error{Errc::not_found, "there is no such checkpoint", "", ""});
      run();
    }
  }
  /// It has ended as it was told to.
  void stops(const JobOrder& order) {
    auto update = update_for(order, JobStep::ended);
    update.stopped = true;
    update.signal = 15;
    report(update);
    answer();
  }
  bool was_told_to_stop(ExperimentId id) {
    for (const auto& [key, grace] : node->stopped)
      if (key == newest(id).key) return true;
    return false;
  }
  std::vector<std::string> why(ExperimentId id) {
    auto waiting = ask<WaitingRef>(director, why_atom_v, id);
    return waiting ? (**waiting).reasons : std::vector<std::string>{};
  }
  /// What holds a place, by its newest attempt.
  std::vector<JobOrder> holding() {
    std::vector<JobOrder> orders;
    for (const auto& order : running())
      if (state(order.key.job.experiment) != State::queued &&
          newest(order.key.job.experiment).key == order.key)
        orders.push_back(order);
    return orders;
  }
  void end_all() {
    for (auto left = holding(); !left.empty(); left = holding()) {
      auto order = left.front();
      report_metrics(order, {{"loss", 1}}, 1);
      report_exit(order, 0);
      answer();
    }
  }
  void restart() {
    auto orders = node->started;
    auto held = holding();
    stop_head();
    start_head({"a"});
    std::vector<JobUpdate> updates;
    for (const auto& order : held) updates.push_back(update_for(order, JobStep::running));
    node = join("a", cpus * 1000, updates);
    node->started = orders;
    caf::anon_send(director, recovery_atom_v);
    run();
  }
  Result<bool> change(uint64_t top, const Value& concurrency) {
    api::SetChange wanted{{{"concurrency", concurrency}}, {}, {}};
    return ask<bool>(director, change_atom_v, std::string{"ada"}, top,
                     SetChangeRef{std::make_shared<const api::SetChange>(std::move(wanted))});
  }
  void expect_whole(uint64_t top, uint64_t members) {
    EXPECT_EQ(set(top).state, State::finished);
    EXPECT_EQ(set(top).finished, members);
    auto replay = replay_search(*ledger, top);
    ASSERT_TRUE(replay);
    EXPECT_EQ(replay->differences, 0u);
  }
};

TEST_F(SetRanges, GrowsIntoIdleRoomAndGivesItBackAtACheckpoint) {
  auto top = start(range(Value{"2..8"}, 6));
  ASSERT_THAT(running(), SizeIs(4)) << "as many as there is room for";
  EXPECT_THAT(why({top, 5}), Contains(HasSubstr("nobody else waits for the room")));
  auto single = other();
  EXPECT_THAT(node->stopped, IsEmpty()) << "what they did since would be lost";
  EXPECT_THAT(why(single), Contains(HasSubstr("each gives its place back when it writes")));
  checkpoint({top, 1});
  EXPECT_THAT(node->stopped, IsEmpty()) << "it is sure of its place";
  advance(seconds{10});
  checkpoint({top, 4});
  ASSERT_THAT(node->stopped, SizeIs(1));
  EXPECT_TRUE(was_told_to_stop({top, 4}));
  EXPECT_THAT(why(single), Contains(HasSubstr("has stopped to make room for it")));
  stops(newest({top, 4}));
  EXPECT_EQ(newest(single).attempt, 1u);
  auto given = experiment({top, 4});
  EXPECT_EQ(given.state, State::queued);
  EXPECT_THAT(given.preempted, HasSubstr("gives its place to " + to_string(single)));
  EXPECT_EQ(given.reason, given.preempted);
  EXPECT_EQ(given.failures + given.restarts, 0u) << "no try is counted";
  EXPECT_THAT(given.checkpoints, SizeIs(1));
  report_exit(newest(single), 0);
  answer();
  EXPECT_EQ(newest({top, 4}).attempt, 2u) << "before 5, which is younger";
  EXPECT_TRUE(experiment({top, 4}).preempted.empty());
  end_all();
  expect_whole(top, 6);
}

TEST_F(SetRanges, WhoWritesNoCheckpointsIsLeftAlone) {
  auto top = start(range(Value{"2..8"}, 4));
  auto single = other();
  advance(std::chrono::hours{5});
  EXPECT_THAT(node->stopped, IsEmpty());
  report_exit(newest({top, 1}), 0);
  EXPECT_EQ(newest(single).attempt, 1u) << "and the first place is not theirs";
}

TEST_F(SetRanges, ADeadHeadKnowsThatItWasNoFailure) {
  auto top = start(range(Value{"2..8"}, 4));
  auto single = other();
  checkpoint({top, 4});
  ASSERT_THAT(node->stopped, SizeIs(1));
  restart();
  EXPECT_TRUE(was_told_to_stop({top, 4})) << "it is told again";
  stops(newest({top, 4}));
  EXPECT_EQ(experiment({top, 4}).state, State::queued);
  EXPECT_EQ(experiment({top, 4}).failures + experiment({top, 4}).restarts, 0u);
  EXPECT_EQ(newest(single).attempt, 1u);
  EXPECT_THAT(story(to_string(ExperimentId{top, 4})), Contains("PREEMPTED>QUEUED"));
  restart();
  auto second = other();
  checkpoint({top, 3}, "step-2");
  EXPECT_TRUE(was_told_to_stop({top, 3})) << "who is beyond is known again";
  stops(newest({top, 3}));
  EXPECT_EQ(newest(second).attempt, 1u);
  end_all();
  expect_whole(top, 4);
}

TEST_F(SetRanges, ASetIsKilledWhileItGivesBack) {
  auto top = start(range(Value{"1..8"}, 6));
  auto single = other();
  checkpoint({top, 4});
  ASSERT_TRUE(was_told_to_stop({top, 4}));
  caf::anon_send(director, kill_atom_v, std::string{"killed by ada"}, ExperimentId{top, 0});
  run();
  for (uint32_t i = 1; i <= 4; ++i) stops(newest({top, i}));
  EXPECT_EQ(set(top).state, State::killed);
  EXPECT_EQ(state({top, 4}), State::killed);
  EXPECT_EQ(newest(single).attempt, 1u);
}

TEST_F(SetRanges, WhoWaitedIsKilledMeanwhile) {
  auto top = start(range(Value{"1..8"}, 4));
  auto single = other();
  checkpoint({top, 4});
  ASSERT_TRUE(was_told_to_stop({top, 4}));
  EXPECT_TRUE(kill(single));
  stops(newest({top, 4}));
  EXPECT_EQ(newest({top, 4}).attempt, 2u) << "it has its place back";
}

TEST_F(SetRanges, ItsRangeIsChangedWhileItRuns) {
  auto top = start(range(Value{4}, 6));
  ASSERT_THAT(running(), SizeIs(4));
  auto single = other();
  checkpoint({top, 4});
  EXPECT_THAT(node->stopped, IsEmpty());
  for (const auto* bad : {"8..2", "0..4", "..", "2..", "a..b", "many", "2..8..9", "-1..4"}) {
    auto refused = change(top, Value{bad});
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Errc::invalid);
    EXPECT_THAT(refused.error().what, HasSubstr(bad));
  }
  ASSERT_TRUE(change(top, Value{"2..5"}));
  EXPECT_EQ(set(top).sweep.concurrency, 5u);
  EXPECT_EQ(set(top).sweep.concurrency_sure, 2u);
  checkpoint({top, 4}, "step-2");
  ASSERT_TRUE(was_told_to_stop({top, 4}));
  stops(newest({top, 4}));
  EXPECT_EQ(newest(single).attempt, 1u);
  restart();
  EXPECT_EQ(set(top).sweep.concurrency_sure, 2u);
  auto second = other();
  ASSERT_TRUE(change(top, Value{3}));
  EXPECT_FALSE(set(top).sweep.concurrency_sure);
  checkpoint({top, 3}, "step-3");
  EXPECT_FALSE(was_told_to_stop({top, 3})) << "all are sure of theirs";
  report_exit(newest(single), 0);
  answer();
  EXPECT_EQ(newest({top, 4}).attempt, 2u) << "it came before " << to_string(second);
  end_all();
  expect_whole(top, 6);
}

TEST_F(SetRanges, OneThatLearnsMakesMembersWhereThereIsRoom) {
  auto top = start(range(Value{"2..16"}, 12, "tpe"));
  EXPECT_THAT(running(), SizeIs(4));
  EXPECT_EQ(set(top).next, 6u) << "one of the five waits";
  end_all();
  expect_whole(top, 12);
}

}  // namespace
}  // namespace troupe::actors
