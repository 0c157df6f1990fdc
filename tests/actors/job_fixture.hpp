// One job on its node: real folders, a launcher without processes, a cache and a head that only
// remember.
#pragma once

#include "actors/worker/job.hpp"
#include "actors/worker/stager.hpp"
#include "runtime/process/fake_launcher.hpp"
#include "tests/actors/head_fixture.hpp"

#include <memory>
#include <vector>

namespace troupe::actors {

/// A cache that answers when the test says so.
struct CacheProbe {
  std::vector<caf::typed_response_promise<HeldDataRef>> waiting;
  std::vector<JobKey> held, released;
};

cache_actor::behavior_type fake_cache(cache_actor::pointer self, std::shared_ptr<CacheProbe> probe);

/// What a job tells the head.
report_port::behavior_type fake_reports(report_port::pointer,
                                        std::shared_ptr<std::vector<JobUpdate>> updates,
                                        std::shared_ptr<std::vector<MetricBatch>> metrics);

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
    launcher = std::make_shared<process::FakeLauncher>(std::move(events), *clock);
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
  std::shared_ptr<process::FakeLauncher> launcher;
  std::shared_ptr<Lease> lease = std::make_shared<Lease>(seconds{10});
  JobOrder order;
};

}  // namespace troupe::actors
