// The node on the test scheduler: real folders, a launcher without processes, a registry that only
// remembers.
#include "runtime/core/limits.hpp"
#include "tests/actors/node_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using process::RunState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Node : public NodeTest {
 protected:
  explicit Node(bool head_is_remote = false) : remote{head_is_remote} {}
  void SetUp() override {
    NodeTest::SetUp();
    context->head_is_remote = remote;
  }
  JobOrder order(uint64_t epoch, uint32_t attempt = 1) const {
    JobOrder made;
    made.key = JobKey{JobId{{42, 0}, "worker", 0}, epoch};
    made.phases = {{{"train"}, false}};
    made.attempt = attempt;
    made.gpus = {3};
    return made;
  }
  void forget(const JobKey& key) {
    caf::anon_send(node, forget_atom_v, key);
    run();
  }
  process::RunStatus status(RunState state) const {
    process::RunStatus made;
    made.key = "42.worker.0/7/0";
    made.state = state;
    made.started = t0;
    if (state == RunState::ended) {
      made.exits = {{0, 0, t0}};
      made.ended = t0;
    }
    return made;
  }

  const bool remote;
};

TEST_F(Node, TellsOfWhatCannotBeKilledUntilItHasEnded) {
  launcher->script({RunState::running, 0, {}, true});
  start();
  tell(order(7));
  auto key = launcher->started.at(0).key;
  auto frozen = launcher->runs().at(key);
  for (int i = 0; i < 3; ++i) events.stuck(frozen);
  run();
  ASSERT_THAT(head->stuck, SizeIs(1)) << "said once, however often the launcher does";
  EXPECT_THAT(head->stuck[0],
              HasSubstr("what job 42.worker.0 runs was killed and does not end: process 1000"));
  caf::anon_send(node, linked_atom_v, std::string{"http://head"});
  run();
  EXPECT_EQ(head->hellos.back().stuck, head->stuck[0]);
  launcher->end(key, 0, 9);
  run();
  EXPECT_THAT(head->stuck, SizeIs(2));
  EXPECT_EQ(head->stuck[1], "");
}

TEST_F(Node, StartsAJobOnceHoweverOftenItIsTold) {
  start();
  ASSERT_THAT(head->hellos, SizeIs(1));
  EXPECT_THAT(head->hellos[0].jobs, IsEmpty());
  tell(order(7));
  tell(order(7));
  EXPECT_THAT(launcher->started, SizeIs(1));
}

TEST_F(Node, ReportsWhatItFoundRunningAndAdoptsIt) {
  start();
  tell(order(7, 2));
  leave();
  start({status(RunState::running)});
  ASSERT_THAT(head->hellos, SizeIs(2));
  ASSERT_THAT(head->hellos[1].jobs, SizeIs(1));
  EXPECT_EQ(head->hellos[1].jobs[0].key, order(7).key);
  EXPECT_EQ(head->hellos[1].jobs[0].attempt, 2u);
  EXPECT_THAT(head->hellos[1].jobs[0].gpus, ElementsAre(3u));
  launcher->end("42.worker.0/7/0", 5);
  run();
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_EQ(updates->back().exit_code, 5);
}

TEST_F(Node, GivesUpWhatTheHeadDoesNotWantBack) {
  start();
  tell(order(7));
  leave();
  head->welcome.stop = {order(7).key};
  start({status(RunState::running)});
  ASSERT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_EQ(launcher->stopped[0].second, seconds{0});
  EXPECT_THAT(launcher->forgotten, ElementsAre("42.worker.0/7/0"));
}

TEST_F(Node, EndsAFoundJobThatIsGivenUpBeforeTheHeadHasAnswered) {
  start();
  tell(order(7));
  leave();
  // An experiment that has a newer attempt says so as soon as it hears of the node: before the
  // answer to its hello is there.
  head->before_answer = [](const node_actor& from) {
    caf::anon_send(from, forget_atom_v, JobKey{JobId{{42, 0}, "worker", 0}, 7});
  };
  start({status(RunState::running)});
  ASSERT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_THAT(launcher->forgotten, ElementsAre("42.worker.0/7/0"));
}

TEST_F(Node, StopsAFoundJobThatIsKilledBeforeTheHeadHasAnswered) {
  start();
  tell(order(7));
  leave();
  head->before_answer = [](const node_actor& from) {
    caf::anon_send(from, stop_atom_v, JobKey{JobId{{42, 0}, "worker", 0}, 7}, uint32_t{0});
  };
  start({status(RunState::running)});
  ASSERT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_EQ(updates->back().step, JobStep::ended);
}

TEST_F(Node, DoesNotGoOnToTheNextLineOfWhatTheHeadDoesNotWantBack) {
  start();
  auto both = order(7);
  both.phases.push_back({{"evaluate"}, false});
  tell(both);
  leave();
  head->welcome.stop = {both.key};
  start({status(RunState::ended)});
  EXPECT_THAT(launcher->started, SizeIs(1));
  EXPECT_THAT(launcher->forgotten, ElementsAre("42.worker.0/7/0"));
}

TEST_F(Node, OfTwoAttemptsOfOneJobItKeepsTheNewer) {
  launcher->script({RunState::running, 0, {}, true});
  start();
  tell(order(7));
  tell(order(8, 2));
  leave();
  auto older = status(RunState::ended), newer = status(RunState::running);
  newer.key = "42.worker.0/8/0";
  start({older, newer});
  ASSERT_THAT(head->hellos.back().jobs, SizeIs(1));
  EXPECT_EQ(head->hellos.back().jobs[0].key, order(8).key);
  EXPECT_THAT(launcher->forgotten, ElementsAre("42.worker.0/7/0"));
  advance(milliseconds{200});  // when slots are freed
  auto other = order(9);
  other.key.job.experiment = {43, 0};
  tell(other);
  EXPECT_EQ(launcher->started.back().processes.at(0).cwd, context->paths.work(0));
}

TEST_F(Node, HearsOfAnEndFromALauncherThatCameBackBeforeTheHeadHasAnswered) {
  start();
  tell(order(7));
  leave();
  auto lost = status(RunState::ended);
  head->before_answer = [&](const node_actor&) { events.connected({lost}); };
  start({status(RunState::running)});
  EXPECT_EQ(updates->back().step, JobStep::ended);
}

TEST_F(Node, KeepsTheFoldersOfAJobThatWasGivenUpUntilItIsDead) {
  launcher->script({RunState::running, 0, {}, true});
  start();
  tell(order(7));
  auto work = launcher->started.at(0).processes.at(0).cwd;
  forget(order(7).key);
  ASSERT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_THAT(launcher->forgotten, IsEmpty());
  tell(order(8, 2));
  ASSERT_THAT(launcher->started, SizeIs(2));
  EXPECT_NE(launcher->started[1].processes.at(0).cwd, work);
  launcher->end("42.worker.0/7/0", 0, 9);
  run();
  EXPECT_THAT(launcher->forgotten, ElementsAre("42.worker.0/7/0"));
  advance(milliseconds{200});  // when slots are freed
  auto other = order(9);
  other.key.job.experiment = {43, 0};
  tell(other);
  EXPECT_EQ(launcher->started.at(2).processes.at(0).cwd, work);
}

TEST_F(Node, EndsAJobThatIsGivenUpWhileItsFoldersAreMade) {
  start();
  caf::anon_send(node, start_atom_v, order(7));
  caf::anon_send(node, forget_atom_v, order(7).key);
  run();
  EXPECT_THAT(launcher->started, IsEmpty());
  advance(milliseconds{200});  // when slots are freed
  auto other = order(9);
  other.key.job.experiment = {43, 0};
  tell(other);
  EXPECT_EQ(launcher->started.at(0).processes.at(0).cwd, context->paths.work(0));
}

TEST_F(Node, StopsARunWhoseOrderIsLost) {
  start({status(RunState::running)});
  EXPECT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_THAT(head->hellos.at(0).jobs, IsEmpty());
}

TEST_F(Node, StopsARunThatNobodyKnows) {
  start();
  events.started(status(RunState::running));
  run();
  ASSERT_THAT(launcher->stopped, SizeIs(1));
  EXPECT_EQ(launcher->stopped[0].first, "42.worker.0/7/0");
}

TEST_F(Node, FreesTheSlotsOfOrdersThatNothingRunsFor) {
  start();
  tell(order(7));
  launcher->end("42.worker.0/7/0", 0);
  run();
  leave();
  start();
  advance(milliseconds{200});  // when slots are freed
  auto other = order(9);
  other.key.job.experiment = {43, 0};
  tell(other);
  EXPECT_EQ(launcher->started.back().processes.at(0).cwd, context->paths.work(0));
}

TEST_F(Node, EmptiesTheFoldersOfAnEndedJobThoughTheHeadIsAway) {
  start();
  tell(order(7));
  auto left = context->paths.scratch(0) + "/left";
  ASSERT_TRUE(replace_file(left, "x"));
  launcher->end("42.worker.0/7/0", 0);
  run();
  advance(milliseconds{400});
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(read_order(context->paths.order(0))) << "still needed after a restart";
}

TEST_F(Node, IgnoresAnOrderOfAHeadThatHasBeenReplaced) {
  start();
  tell(order(8));
  tell(order(7));
  EXPECT_THAT(launcher->started, SizeIs(1));
}

TEST_F(Node, OfAHeadInItsOwnProcessKeepsTheLeaseItself) {
  start();
  auto exclusive = order(7);
  exclusive.leased = true;
  tell(exclusive);
  ASSERT_THAT(launcher->started, SizeIs(1));
  EXPECT_GT(launcher->started[0].lease_until, clock->monotonic());
  advance(limits::exclusive_lease - seconds{1});
  advance(seconds{2});
  ASSERT_FALSE(launcher->renewed.empty());
  EXPECT_GT(launcher->renewed.back(), clock->monotonic());
}

class LeasedNode : public Node {
 protected:
  LeasedNode() : Node{true} {}
  JobOrder exclusive(uint64_t epoch) const {
    auto made = order(epoch);
    made.leased = true;
    return made;
  }
  void beat_is_answered() {
    caf::anon_send(node, lease_atom_v, int64_t{clock->monotonic().count()});
    run();
  }
  void link_again() {
    caf::anon_send(node, linked_atom_v, std::string{"http://head"});
    run();
  }
};

TEST_F(LeasedNode, RenewsTheLeaseOfWhatIsExclusive) {
  start();
  tell(order(7));
  beat_is_answered();
  EXPECT_THAT(launcher->renewed, IsEmpty()) << "a launcher of an older version knows no leases";
  tell(exclusive(8));
  ASSERT_THAT(launcher->started, SizeIs(2));
  EXPECT_EQ(launcher->started[0].lease_until.count(), 0);
  auto first = launcher->started[1].lease_until;
  advance(seconds{2});
  beat_is_answered();
  EXPECT_GT(launcher->renewed.back(), first);
}

TEST_F(LeasedNode, AnOrderThatIsHereBeforeTheWelcomeWaitsForIt) {
  head->before_answer = [this](const node_actor& to) {
    caf::anon_send(to, start_atom_v, exclusive(7));
  };
  start();
  ASSERT_THAT(launcher->started, SizeIs(1));
  EXPECT_GT(launcher->started[0].lease_until, clock->monotonic());
}

/// It lay where the worker could not see it, and has been replaced meanwhile.
TEST_F(LeasedNode, AnOrderThatComesWhenTheLeaseIsOverIsFirstSpokenOfWithTheHead) {
  start();
  advance(limits::exclusive_lease + seconds{1});
  tell(exclusive(7));
  EXPECT_THAT(launcher->started, IsEmpty());
  head->welcome.stop = {order(7).key};
  link_again();
  ASSERT_THAT(head->hellos.back().jobs, SizeIs(1));
  beat_is_answered();
  EXPECT_THAT(launcher->started, IsEmpty());
  head->welcome.stop.clear();
  tell(exclusive(8));
  EXPECT_THAT(launcher->started, SizeIs(1));
}

TEST_F(LeasedNode, WhatTheHeadHasGivenUpEndsBeforeTheLeaseIsRenewed) {
  start();
  tell(exclusive(7));
  auto renewed = launcher->renewed.size();
  launcher->script({RunState::running, 0, {}, true});
  head->welcome.stop = {order(7).key};
  link_again();
  ASSERT_FALSE(launcher->stopped.empty());
  EXPECT_EQ(launcher->stopped.front(), (std::pair{std::string{"42.worker.0/7/0"}, Duration{0}}));
  EXPECT_EQ(launcher->renewed.size(), renewed) << "there is nothing else to renew it for";
}

}  // namespace
}  // namespace troupe::actors
