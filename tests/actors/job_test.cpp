// One job on its node: real folders, a launcher without processes.
#include "actors/worker/job.hpp"

#include "actors/worker/run_request.hpp"
#include "actors/worker/stager.hpp"
#include "runtime/process/fake_launcher.hpp"
#include "tests/actors/head_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using process::FakeLauncher;
using process::RunState;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A cache that answers when the test says so.
struct CacheProbe {
  std::vector<caf::typed_response_promise<HeldDataRef>> waiting;
  std::vector<JobKey> held, released;
};

cache_actor::behavior_type fake_cache(cache_actor::pointer self,
                                      std::shared_ptr<CacheProbe> probe) {
  return {
      [self, probe](hold_atom, const JobKey& key, const OrderRef&) {
        probe->held.push_back(key);
        probe->waiting.push_back(self->make_response_promise<HeldDataRef>());
        return probe->waiting.back();
      },
      [probe](release_atom, const JobKey& key) { probe->released.push_back(key); },
      [](fetch_atom, const CacheWishes&) {},
      [](report_atom) {},
      [](found_atom, const FoundRef&) {},
      [](room_atom, const std::string&, uint64_t, uint64_t) {
        return share(std::vector<std::string>{});
      },
      [](progress_atom, const std::string&, uint64_t, uint64_t) {},
      [](gone_atom, const std::string&, bool) {},
      [](tick_atom) {},
      [](flush_atom) {},
      // A promise must be kept by the actor that gave it.
      [probe](filled_atom, const FilledRef& filled) {
        for (auto& promise : std::exchange(probe->waiting, {})) {
          if (filled->done)
            promise.deliver(share(HeldData{{*filled->done}}));
          else
            promise.deliver(to_caf(filled->done.error()));
        }
      },
  };
}

/// What a job tells the head.
report_port::behavior_type fake_reports(report_port::pointer,
                                        std::shared_ptr<std::vector<JobUpdate>> updates,
                                        std::shared_ptr<std::vector<MetricBatch>> metrics) {
  return {
      [updates](update_atom, const JobUpdate& update) { updates->push_back(update); },
      [metrics](metrics_atom, const MetricBatch& batch) { metrics->push_back(batch); },
  };
}

class Job : public ActorTest {
 protected:
  void SetUp() override {
    director = sys.spawn(fake_reports, updates, metrics);
    node = sys.spawn(fake_node, std::make_shared<NodeProbe>());
    auto made = std::make_shared<WorkerContext>();
    made->name = "a";
    made->paths = WorkerPaths{dir.path() + "/w", dir.path() + "/outputs"};
    made->clock = clock;
    made->director = director;
    context = made;
    ASSERT_TRUE(make_dirs(context->paths.slots(), 0755));
    ASSERT_TRUE(make_dirs(context->paths.outputs, 0755));
    stager = sys.spawn(stager_behavior, context);
    cache = sys.spawn(fake_cache, holds);
    process::LauncherEvents events;
    events.started = [this](const process::RunStatus& status) {
      caf::anon_send(job, launched_atom_v, share(status));
    };
    events.ended = events.started;
    launcher = std::make_shared<FakeLauncher>(std::move(events), *clock);
    order.key = JobKey{JobId{{42, 0}, "worker", 0}, 7};
    order.phases = {{{"train"}, false}};
    order.token = "tj_secret";
    run();
  }
  void TearDown() override {
    end(job);
    end(stager);
    end(cache);
    end(node);
    end(director);
    context.reset();
  }
  void begin() {
    job = sys.spawn(job_behavior, context, JobPeers{node, stager, cache, {}, launcher, {lease, 1}},
                    order, 0u);
    caf::anon_send(job, begin_atom_v);
    run();
  }
  void finish(int32_t code, int32_t signal = 0) {
    launcher->end(launcher->started.back().key, code, signal);
    run();
  }
  void data_came(Result<DataTree> how) {
    Filled filled;
    filled.done = std::move(how);
    caf::anon_send(cache, filled_atom_v, share(std::move(filled)));
    run();
  }
  void stop() {
    caf::anon_send(job, stop_atom_v, uint32_t{5000});
    run();
  }
  std::vector<JobStep> steps() const {
    std::vector<JobStep> list;
    for (const auto& update : *updates) list.push_back(update.step);
    return list;
  }

  std::shared_ptr<std::vector<JobUpdate>> updates = std::make_shared<std::vector<JobUpdate>>();
  std::shared_ptr<std::vector<MetricBatch>> metrics = std::make_shared<std::vector<MetricBatch>>();
  report_port director;
  node_actor node;
  stager_actor stager;
  cache_actor cache;
  std::shared_ptr<CacheProbe> holds = std::make_shared<CacheProbe>();
  job_actor job;
  WorkerContextRef context;
  std::shared_ptr<FakeLauncher> launcher;
  std::shared_ptr<Lease> lease = std::make_shared<Lease>(seconds{10});
  JobOrder order;
};

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

TEST_F(Job, OfAGangIsSetUpAndThenWaitsForTheOthers) {
  order.phases = {{{"setup"}, true}, {{"train"}, false}};
  order.nodes = order.world_size = 2;
  begin();
  finish(0);
  EXPECT_EQ(launcher->started.size(), 1u) << "setup alone";
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase, 0u);
  caf::anon_send(job, phase_atom_v, PhaseStart{1, {}});
  run();
  EXPECT_EQ(launcher->started.size(), 2u);
}

TEST_F(Job, OfAGangHearsWhereTheOthersListenWithTheWordToBegin) {
  // Far from what jobs of this machine get.
  auto with_ports = std::make_shared<WorkerContext>(*context);
  with_ports->ports = std::make_shared<process::PortBook>(18000, 19600);
  context = with_ports;
  order.nodes = order.world_size = 2;
  order.node_rank = 1;
  order.hosts = {{"a", "10.0.0.1", 0}, {"b", "10.0.0.2", 0}};
  begin();
  auto own = updates->back().first_port;
  EXPECT_GE(own, 18000);
  caf::anon_send(job, phase_atom_v, PhaseStart{0, {21000, 1}});
  run();
  ASSERT_EQ(launcher->started.size(), 1u);
  const auto& env = launcher->started[0].processes[0].env;
  EXPECT_THAT(env, Contains("MASTER_ADDR=10.0.0.1"));
  EXPECT_THAT(env, Contains("MASTER_PORT=21000"));
  EXPECT_THAT(env, Contains(HasSubstr(fmt::format("10.0.0.2:{}", own + 4)))) << "not what the head "
                                                                                "says of itself";
  finish(0);
  auto again = with_ports->ports->take("next", 4, 4);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, own) << "it is free again";
}

TEST_F(Job, FailsWhereNoPortsAreLeft) {
  auto with_ports = std::make_shared<WorkerContext>(*context);
  with_ports->ports = std::make_shared<process::PortBook>(19600, 19601);
  context = with_ports;
  begin();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().error.code, Errc::exhausted);
}

TEST_F(Job, OfAGangIsStoppedWhileItWaitsToStart) {
  order.nodes = order.world_size = 2;
  begin();
  stop();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
}

TEST_F(Job, OfAGangWaitsBeforeAndBetweenLinesForTheOthers) {
  order.phases = {{{"train"}, false}, {{"evaluate"}, false}};
  order.nodes = order.world_size = 2;
  begin();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase + 1, 0u);
  caf::anon_send(job, phase_atom_v, PhaseStart{0, {}});
  run();
  finish(0);
  EXPECT_EQ(launcher->started.size(), 1u);
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  caf::anon_send(job, phase_atom_v, PhaseStart{1, {}});
  run();
  ASSERT_EQ(launcher->started.size(), 2u);
  EXPECT_EQ(launcher->started[1].key, "42.worker.0/7/1");
  finish(0);
  EXPECT_EQ(updates->back().step, JobStep::ended);
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
