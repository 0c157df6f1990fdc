// The stager: does for one node what blocks on files: fills and empties the slots of jobs, copies
// code, starts what it has made ready. Detached, so that a slow disk stops neither heartbeats nor
// exits.
#pragma once

#include "actors/worker/job_slots.hpp"
#include "actors/worker/worker_context.hpp"

namespace troupe::actors {

class StagerState {
 public:
  static inline const char* name = "troupe.stager";
  explicit StagerState(stager_actor::pointer self) : self_{self} {}
  stager_actor::behavior_type make_behavior(WorkerContextRef context);

 private:
  caf::typed_response_promise<uint32_t, bool> stage_and_start(const Staging& work);
  void forget(const std::vector<JobKey>& keys);
  Result<uint32_t> stage(const Staging& work);

  stager_actor::pointer self_;
  WorkerContextRef context_;
  std::unique_ptr<JobSlots> slots_;
};

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context);

}  // namespace troupe::actors
