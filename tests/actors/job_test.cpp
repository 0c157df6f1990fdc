// One job from its order to its end: its lines, stops, and what a new worker finds of it.
#include "actors/worker/run_request.hpp"
#include "tests/actors/job_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using process::RunState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(Job, RunsInFreshFoldersAndReportsItsEnd) {
  begin();
  ASSERT_EQ(launcher->started.size(), 1u);
  const auto& request = launcher->started[0];
  EXPECT_EQ(request.key, "42.worker.0/7/0");
  EXPECT_THAT(request.processes.at(0).argv, ElementsAre("train"));
  auto work = request.processes[0].cwd;
  EXPECT_TRUE(std::filesystem::is_directory(work));
  EXPECT_EQ(*read_file(context->paths.token(0), 100), "tj_secret");
  auto kept = read_order(context->paths.order(0));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->key, order.key);
  finish(3);
  EXPECT_THAT(steps(), ElementsAre(JobStep::running, JobStep::ended));
  EXPECT_TRUE(updates->back().has_exit);
  EXPECT_EQ(updates->back().exit_code, 3);
  EXPECT_FALSE(updates->back().infrastructure);
}

TEST_F(Job, RunsItsLinesOneAfterTheOther) {
  order.phases = {{{"setup"}, true}, {{"train"}, false}, {{"evaluate"}, false}};
  order.processes = order.world_size = 2;
  begin();
  EXPECT_EQ(launcher->started.at(0).processes.size(), 1u) << "setup runs once";
  finish(0);
  EXPECT_EQ(launcher->started.at(1).processes.size(), 2u);
  finish(0);
  ASSERT_EQ(launcher->started.size(), 3u);
  finish(0);
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_EQ(updates->back().exit_code, 0);
}

TEST_F(Job, NamesTheLineOfSetupThatFailed) {
  order.phases = {{{"setup"}, true}, {{"train"}, false}};
  begin();
  finish(2);
  EXPECT_EQ(launcher->started.size(), 1u);
  EXPECT_THAT(updates->back().error.what, HasSubstr("setup of job 42.worker.0 failed"));
  EXPECT_THAT(updates->back().error.detail, HasSubstr("line 1 ended with exit code 2"));
}

/// A launcher that hears of the job's stop before the stager's start.
class Overtaken final : public process::Launcher {
 public:
  Overtaken(std::shared_ptr<process::Launcher> real, std::shared_ptr<Staging> staging)
      : real_{std::move(real)}, staging_{std::move(staging)} {}
  void start(process::RunRequest request) override {
    staging_->stop_grace_ms = 5000;
    real_->stop(request.key, Duration{5000});
    real_->start(std::move(request));
  }
  void stop(const std::string& key, Duration grace) override { real_->stop(key, grace); }
  void renew(std::chrono::nanoseconds until) override { real_->renew(until); }
  void forget(const std::string& key) override { real_->forget(key); }

 private:
  std::shared_ptr<process::Launcher> real_;
  std::shared_ptr<Staging> staging_;
};

TEST_F(Job, AStopThatOvertakesTheStartStillEndsIt) {
  StagingRef staging;
  staging.value = std::make_shared<Staging>();
  staging->order = std::make_shared<const JobOrder>(order);
  auto overtaken = std::make_shared<Overtaken>(launcher, staging.value);
  staging->launcher = overtaken;
  caf::anon_send(stager, stage_atom_v, staging);
  run();
  ASSERT_EQ(launcher->started.size(), 1u);
  ASSERT_EQ(launcher->stopped.size(), 2u) << "the first came to nothing: there was no run yet";
  EXPECT_EQ(launcher->stopped.back().first, launcher->started.back().key);
  EXPECT_EQ(launcher->stopped.back().second, Duration{5000});
  staging->launcher.reset();  // it holds the staging itself
}

TEST_F(Job, SaysThatItWasStopped) {
  begin();
  stop();
  ASSERT_EQ(launcher->stopped.size(), 1u);
  EXPECT_EQ(launcher->stopped[0].second, seconds{5});
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
  EXPECT_EQ(updates->back().signal, 15);
}

TEST_F(Job, ShowsTheStopFileToAJobThatGoesOn) {
  launcher->script({RunState::running, 0, {}, true});
  begin();
  stop();
  EXPECT_TRUE(std::filesystem::exists(context->paths.stop_file(0)));
  finish(0);
  EXPECT_TRUE(updates->back().stopped);
  EXPECT_EQ(updates->back().exit_code, 0);
}

TEST_F(Job, StoppedWhileItsFoldersAreMadeStartsNothing) {
  job = sys.spawn(job_behavior, context, JobPeers{node, stager, cache, {}, launcher, {lease, 1}},
                  order, 0u);
  caf::anon_send(job, begin_atom_v);
  caf::anon_send(job, stop_atom_v, uint32_t{0});
  run();
  EXPECT_THAT(launcher->started, IsEmpty());
  ASSERT_THAT(steps(), ElementsAre(JobStep::ended));
  EXPECT_TRUE(updates->back().stopped);
}

TEST_F(Job, ThatCannotBeStartedFailsByItself) {
  launcher->script(
      {RunState::not_started, 0, Error{Errc::not_found, "train was not found", "", ""}, false});
  begin();
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_FALSE(updates->back().has_exit);
  EXPECT_FALSE(updates->back().infrastructure);
  EXPECT_EQ(updates->back().error.what, "train was not found");
}

TEST_F(Job, AdoptedAfterItsEndReportsIt) {
  process::RunStatus status;
  status.key = run_key(order.key, 0);
  status.state = RunState::ended;
  status.exits = {{4, 0, t0}};
  status.first_failed = 0;
  status.started = status.ended = t0;
  job = sys.spawn(job_behavior, context, JobPeers{node, stager, cache, {}, launcher, {lease, 1}},
                  order, 0u);
  caf::anon_send(job, adopt_atom_v, share(status));
  run();
  ASSERT_EQ(updates->back().step, JobStep::ended);
  EXPECT_EQ(updates->back().exit_code, 4);
  EXPECT_EQ(updates->back().time_us, t0.us);
}

TEST_F(Job, AdoptedAfterAStopKnowsOfIt) {
  process::RunStatus status;
  status.key = run_key(order.key, 0);
  status.state = RunState::ended;
  status.exits = {{0, 0, t0}};
  status.stopped = true;
  status.started = status.ended = t0;
  job = sys.spawn(job_behavior, context, JobPeers{node, stager, cache, {}, launcher, {lease, 1}},
                  order, 0u);
  caf::anon_send(job, adopt_atom_v, share(status));
  run();
  ASSERT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
}

TEST_F(Job, SaysItsNewestStateAgainWhenAsked) {
  begin();
  caf::anon_send(job, report_atom_v);
  run();
  EXPECT_THAT(steps(), ElementsAre(JobStep::running, JobStep::running));
}

}  // namespace
}  // namespace troupe::actors
