// The worker as one object: its node actor, and the launcher client that outlives restarts of
// everything else. `up` has some beside its head, `troupe worker` one with a link to a head. Owned
// by main.
#pragma once

#include "actors/worker/worker_context.hpp"
#include "runtime/process/launcher_client.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

struct WorkerOptions {
  /// All but the launcher, which is made here, and `confine`, which is found out.
  WorkerContext context;
  std::vector<std::string> launcher_argv;  // starts `troupe launcher`; "--dir D" is added
};

class Worker {
 public:
  Worker(WorkerOptions options, caf::actor_system& system)
      : options_{std::move(options)}, system_{system} {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<void> start();
  /// Ends the launcher and all its jobs.
  void end_jobs();
  /// The node quits; jobs and launcher go on, unless they were ended. Then wait.
  void leave();
  void wait();

  const node_actor& node() const { return node_; }

 private:
  WorkerOptions options_;
  caf::actor_system& system_;
  node_actor node_;
  std::shared_ptr<process::LauncherClient> launcher_;
};

}  // namespace troupe::actors
