// What a job waits for before its first line: the lease of an exclusive one, its data.
#include "tests/actors/job_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using process::RunState;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(Job, AnExclusiveOneRunsUntilTheLeaseEnds) {
  order.leased = true;
  lease->renew(seconds{0}, seconds{0});
  advance(seconds{3});
  begin();
  ASSERT_EQ(launcher->started.size(), 1u);
  EXPECT_EQ(launcher->started[0].lease_until, seconds{10});
}

TEST_F(Job, AnExclusiveOneDoesNotStartWithoutALease) {
  order.leased = true;
  begin();
  EXPECT_THAT(launcher->started, IsEmpty());
  ASSERT_FALSE(updates->empty());
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().infrastructure);
  EXPECT_THAT(updates->back().error.detail, HasSubstr("exclusive"));
}

/// The head may have started another attempt meanwhile.
TEST_F(Job, AnExclusiveOneDoesNotGoOnUnderALaterTerm) {
  order.leased = true;
  order.phases = {{{"setup"}, true}, {{"train"}, false}};
  lease->renew(seconds{0}, seconds{0});
  begin();
  advance(seconds{11});
  lease->renew(clock->monotonic(), clock->monotonic());
  finish(0);
  EXPECT_EQ(launcher->started.size(), 1u);
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().infrastructure);
}

TEST_F(Job, AnExclusiveOneWhoseLeaseRanOutSaysSo) {
  order.leased = true;
  lease->renew(seconds{0}, seconds{0});
  begin();
  process::RunStatus status;
  status.key = launcher->started.back().key;
  status.state = RunState::ended;
  status.exits = {{0, 9, t0}};
  status.first_failed = 0;
  status.stopped = true;
  status.started = status.ended = t0;
  caf::anon_send(job, launched_atom_v, share(status));
  run();
  ASSERT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
  EXPECT_THAT(updates->back().error.detail, HasSubstr("did not hear of the head"));
}

TEST_F(Job, StartsWhenItsDataIsHereAndShowsItToTheJob) {
  order.data = {{"digits", "digits:3", std::string(64, 'a')}};
  begin();
  EXPECT_THAT(holds->held, ElementsAre(order.key));
  EXPECT_TRUE(launcher->started.empty());
  data_came(DataTree{"/trees/d", MountMethod::erofs});
  ASSERT_EQ(launcher->started.size(), 1u);
  const auto& env = launcher->started.front().processes.front().env;
  auto root = context->paths.data(0);
  EXPECT_THAT(env, Contains("TROUPE_DATA=" + root));
  EXPECT_THAT(env, Contains("TROUPE_DATA_DIGITS=" + root + "/digits"));
  EXPECT_EQ(std::filesystem::read_symlink(root + "/digits"), "/trees/d");
  EXPECT_TRUE(holds->released.empty());
  finish(0);
  EXPECT_THAT(holds->released, ElementsAre(order.key));
}

TEST_F(Job, AStopEndsTheWaitForData) {
  order.data = {{"digits", "digits:3", std::string(64, 'a')}};
  // Slot 0 is another's: what that one reports is none of ours.
  ASSERT_TRUE(make_dirs(context->paths.slot(0), 0755));
  ASSERT_TRUE(replace_file(context->paths.metrics(0), "{\"loss\": 1}\n"));
  begin();
  stop();
  EXPECT_THAT(*metrics, IsEmpty());
  EXPECT_THAT(holds->released, ElementsAre(order.key));
  ASSERT_FALSE(updates->empty());
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
  // It comes all the same: nothing begins any more.
  data_came(DataTree{"/trees/d", MountMethod::erofs});
  EXPECT_TRUE(launcher->started.empty());
}

TEST_F(Job, DataThatDoesNotComeIsNotTheJobsFault) {
  order.data = {{"digits", "digits:3", std::string(64, 'a')}};
  begin();
  data_came(Error{Errc::exhausted, "the disk is full", "1 GB needed", "free some"});
  ASSERT_FALSE(updates->empty());
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().infrastructure);
  EXPECT_EQ(updates->back().error.what, "the disk is full");
}

}  // namespace
}  // namespace troupe::actors
