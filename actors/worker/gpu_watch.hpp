// The GPU watch of one node: looks at its devices every second and after each job. A device that is
// lost, or of which the driver says what no job survives, is closed: the head gives it to nobody,
// and the job on it ends as its node's fault. So is one on which an ended job left something, until
// that is gone.
#pragma once

#include "actors/worker/worker_context.hpp"
#include "gpu/health.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

class GpuWatchState {
 public:
  static inline const char* name = "troupe.gpus";
  explicit GpuWatchState(gpu_watch_actor::pointer self) : self_{self} {}
  gpu_watch_actor::behavior_type make_behavior(WorkerContextRef context, node_actor node);

 private:
  struct Watched {
    GpuDevice device;
    gpu::Health health;
    std::vector<JobKey> jobs;  // that have it; several where they share it
    bool to_check = false;     // something may have been left on it
    int rounds_left = 0;       // until what is left there is said to stay
  };

  void look();
  void look_at(Watched& watched);
  void tell();
  void release(const JobKey& key);
  std::string trouble_of(const JobKey& key) const;

  gpu_watch_actor::pointer self_;
  WorkerContextRef context_;
  node_actor node_;
  std::vector<Watched> devices_;
};

gpu_watch_actor::behavior_type gpu_watch_behavior(
    gpu_watch_actor::stateful_pointer<GpuWatchState> self, WorkerContextRef context,
    node_actor node);

}  // namespace troupe::actors
