// What a head makes of its ledger after a restart: what the nodes report goes on, the rest is lost.
#include "runtime/core/limits.hpp"
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Recovery : public HeadTest {
 protected:
  static constexpr uint64_t old_epoch = (1ull << 32) + 1;

  JobUpdate running(ExperimentId id, uint32_t index = 0, uint64_t epoch = old_epoch) {
    JobUpdate update;
    update.key = JobKey{JobId{id, "worker", index}, epoch};
    update.step = JobStep::running;
    update.attempt = 1;
    update.time_us = t0.us;
    return update;
  }
  JobUpdate ended(ExperimentId id, int32_t code, uint32_t index = 0) {
    auto update = running(id, index);
    update.step = JobStep::ended;
    update.has_exit = true;
    update.exit_code = code;
    return update;
  }
  void recovery_is_over() {
    caf::anon_send(director, recovery_atom_v);
    run();
  }
};

TEST_F(Recovery, WhatANodeStillRunsGoesOn) {
  put_new(running_record({1, 0}, {"a"}, old_epoch));
  start_head({"a"});
  auto node = join("a", 4000, {running({1, 0})});
  EXPECT_THAT(welcome.stop, IsEmpty());
  EXPECT_EQ(state({1, 0}), State::running);
  auto views = ask<NodeViewsRef>(scheduler, nodes_atom_v);
  ASSERT_TRUE(views);
  EXPECT_EQ((*views)->front().cpus_used, 1);
  report(ended({1, 0}, 0));
  EXPECT_EQ(state({1, 0}), State::finished);
  EXPECT_THAT(node->forgotten, ElementsAre(running({1, 0}).key));
}

TEST_F(Recovery, WhatANodeDoesNotKnowIsLostAndStartsAgain) {
  put_new(running_record({1, 0}, {"a"}, old_epoch));
  start_head({"a"});
  auto node = join("a");
  EXPECT_EQ(state({1, 0}), State::queued);
  EXPECT_THAT(node->started, IsEmpty()) << "nothing is placed before recovery is over";
  recovery_is_over();
  ASSERT_EQ(node->started.size(), 1u);
  EXPECT_EQ(node->started[0].attempt, 2u);
}

TEST_F(Recovery, WhatRanOnANodeThatDoesNotComeBackStartsOnAnother) {
  put_new(running_record({1, 0}, {"a"}, old_epoch));
  start_head({"a", "b"});
  auto other = join("b");
  EXPECT_EQ(state({1, 0}), State::running);
  auto why = ask<WaitingRef>(director, why_atom_v, ExperimentId{1, 0});
  ASSERT_TRUE(why);
  EXPECT_THAT((*why)->reasons, ElementsAre(HasSubstr("its node has not reported yet")));
  recovery_is_over();
  ASSERT_EQ(other->started.size(), 1u);
  EXPECT_EQ(experiment({1, 0}).restarts, 1u);
}

TEST_F(Recovery, AGangIsLostWithTheNodeThatStaysAway) {
  put_new(running_record({1, 0}, {"a", "b"}, old_epoch));
  start_head({"a", "b"});
  auto node = join("a", 4000, {running({1, 0}, 0)});
  EXPECT_EQ(state({1, 0}), State::running);
  recovery_is_over();
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(node->stopped[0].first, running({1, 0}, 0).key);
  report(ended({1, 0}, 143, 0));
  EXPECT_EQ(experiment({1, 0}).restarts, 1u);
  EXPECT_EQ(node->started.size(), 2u) << "again, both on the node that is there";
}

TEST_F(Recovery, AGangIsLostWithTheJobItsNodeDoesNotKnow) {
  put_new(running_record({1, 0}, {"a", "b"}, old_epoch));
  start_head({"a", "b"});
  auto node = join("a", 4000, {running({1, 0}, 0)});
  join("b");
  EXPECT_EQ(node->stopped.size(), 1u);
}

TEST_F(Recovery, AGangThatIsAllThereGoesOn) {
  put_new(running_record({1, 0}, {"a", "b"}, old_epoch));
  start_head({"a", "b"});
  auto a = join("a", 4000, {running({1, 0}, 0)});
  auto b = join("b", 4000, {running({1, 0}, 1)});
  recovery_is_over();
  EXPECT_THAT(a->stopped, IsEmpty());
  EXPECT_THAT(b->stopped, IsEmpty());
  report(ended({1, 0}, 0, 0));
  report(ended({1, 0}, 0, 1));
  EXPECT_EQ(state({1, 0}), State::finished);
}

TEST_F(Recovery, StopsWhatTheLedgerDoesNotWant) {
  auto record = running_record({1, 0}, {"a"}, old_epoch);
  put_new(record);
  start_head({"a"});
  auto foreign = running({9, 0});
  auto stale = running({1, 0}, 0, old_epoch - 1);
  auto past = ended({8, 0}, 0);
  join("a", 4000, {foreign, stale, past});
  EXPECT_THAT(welcome.stop, ElementsAre(foreign.key, stale.key));
  EXPECT_THAT(welcome.forget, ElementsAre(past.key));
  EXPECT_EQ(state({1, 0}), State::queued);
}

TEST_F(Recovery, AdoptsAJobWhoseStartWasNotYetRecorded) {
  auto record = record_of(spec_of(), {1, 0});
  put_new(record);
  start_head({"a"});
  auto job = running({1, 0});
  job.token = job_token("secret", {1, 0}, old_epoch);
  auto node = join("a", 4000, {job});
  EXPECT_THAT(welcome.stop, IsEmpty());
  recovery_is_over();
  EXPECT_THAT(node->started, IsEmpty());
  EXPECT_EQ(state({1, 0}), State::running);
  EXPECT_EQ(experiment({1, 0}).attempts.back().epoch, old_epoch);
  report(ended({1, 0}, 0));
  EXPECT_EQ(state({1, 0}), State::finished);
}

TEST_F(Recovery, AWorkerThatClaimsWhatItWasNeverGivenGetsNothing) {
  put_new(record_of(spec_of(), {1, 0}));
  put_new(running_record({2, 0}, {"b"}, old_epoch));
  start_head({"a", "b"});
  auto queued = running({1, 0});  // with a token that it made up
  queued.token = job_token("guessed", {1, 0}, old_epoch);
  auto foreign = running({2, 0});
  join("a", 4000, {queued, foreign});
  EXPECT_THAT(welcome.stop, ElementsAre(queued.key, foreign.key));
  EXPECT_EQ(context->audit->count(), 2u);
  EXPECT_EQ(state({1, 0}), State::queued);
  // The node that does have it is believed.
  join("b", 4000, {foreign});
  EXPECT_EQ(state({2, 0}), State::running);
  EXPECT_EQ(context->audit->count(), 2u);
}

TEST_F(Recovery, AKillThatWasRecordedIsCarriedOut) {
  ExperimentLife life{running_record({1, 0}, {"a"}, old_epoch)};
  life.kill("killed by ada", t0);
  put_new(life.record());
  start_head({"a"});
  auto node = join("a", 4000, {running({1, 0})});
  ASSERT_EQ(node->stopped.size(), 1u);
  report(ended({1, 0}, 143));
  EXPECT_EQ(state({1, 0}), State::killed);
}

TEST_F(Recovery, KillsWhatItsNodeHasNotYetReported) {
  put_new(running_record({1, 0}, {"a"}, old_epoch));
  put_new(running_record({2, 0}, {"a"}, old_epoch + 1));
  start_head({"a"});
  EXPECT_TRUE(kill({1, 0}));
  EXPECT_TRUE(kill({2, 0}));
  EXPECT_EQ(state({1, 0}), State::killing);
  auto node = join("a", 4000, {running({1, 0})});
  EXPECT_EQ(state({2, 0}), State::killed) << "its node knows nothing of it";
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(node->stopped[0].first, running({1, 0}).key);
  report(ended({1, 0}, 143));
  EXPECT_EQ(state({1, 0}), State::killed);
}

TEST_F(Recovery, QueuesWhatWaitedInOrder) {
  for (uint64_t top = 1; top <= 3; ++top) put_new(record_of(spec_of(), {top, 0}));
  start_head();
  auto node = join("a", 2000);
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[0].key.job.experiment, (ExperimentId{1, 0}));
  EXPECT_EQ(node->started[1].key.job.experiment, (ExperimentId{2, 0}));
}

TEST_F(Recovery, AnExclusiveOneIsHeldBackUntilNoLeaseOfItCanBeLeft) {
  auto spec = spec_of();
  spec.exclusive = true;
  put_new(record_of(spec, {1, 0}));
  put_new(record_of(spec, {2, 0}));
  put_new(record_of(spec_of(), {3, 0}));
  start_head();
  auto node = join("a", 8000);
  ASSERT_EQ(node->started.size(), 1u);
  EXPECT_EQ(node->started[0].key.job.experiment, (ExperimentId{3, 0}));
  auto why = ask<WaitingRef>(director, why_atom_v, ExperimentId{1, 0});
  ASSERT_TRUE(why);
  EXPECT_THAT((*why)->reasons, ElementsAre(HasSubstr("exclusive")));
  EXPECT_TRUE(kill({2, 0}));
  advance(limits::exclusive_wait - seconds{1});
  EXPECT_EQ(node->started.size(), 1u);
  advance(seconds{2});
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[1].key.job.experiment, (ExperimentId{1, 0}));
  EXPECT_EQ(state({2, 0}), State::killed);
}

TEST_F(Recovery, AnExclusiveOneThatIsFoundRunningGoesOn) {
  auto spec = spec_of();
  spec.exclusive = true;
  put_new(record_of(spec, {1, 0}));
  start_head({"a"});
  auto job = running({1, 0});
  job.token = job_token("secret", {1, 0}, old_epoch);
  auto node = join("a", 4000, {job});
  EXPECT_THAT(welcome.stop, IsEmpty());
  recovery_is_over();
  advance(limits::exclusive_wait + seconds{1});
  EXPECT_EQ(state({1, 0}), State::running);
  EXPECT_THAT(node->started, IsEmpty());
}

TEST_F(Recovery, WhatIsFoundRunningAfterItsKillFailedIsNotQueuedAgain) {
  put_new(record_of(spec_of(), {1, 0}));
  start_head({"a"});
  commit_fault = [](auto) { return Error{Errc::exhausted, "the disk is full", "", ""}; };
  EXPECT_FALSE(kill({1, 0}));
  auto job = running({1, 0});
  job.token = job_token("secret", {1, 0}, old_epoch);
  auto node = join("a", 4000, {job});
  recovery_is_over();
  advance(seconds{3});
  commit_fault = nullptr;
  advance(seconds{3});
  EXPECT_EQ(state({1, 0}), State::running);
  EXPECT_THAT(node->started, IsEmpty());
  EXPECT_THAT(story("1"),
              ElementsAre("QUEUED>PREPARING", "PREPARING>STARTING", "STARTING>RUNNING"));
}

TEST_F(Recovery, TheRunningLimitCountsFromBeforeTheRestart) {
  auto record = running_record({1, 0}, {"a"}, old_epoch);
  auto spec = *record.spec;
  spec.limits.running = minutes{10};
  record.spec = std::make_shared<const ExperimentSpec>(spec);
  auto started = clock->now();
  record.attempts.back().jobs[0].started = started;
  put_new(record);
  clock->advance(minutes{9});
  start_head({"a"});
  auto update = running({1, 0});
  update.started_us = started.us;
  auto node = join("a", 4000, {update});
  EXPECT_THAT(node->stopped, IsEmpty());
  advance(seconds{61});
  EXPECT_EQ(node->stopped.size(), 1u);
}

}  // namespace
}  // namespace troupe::actors
