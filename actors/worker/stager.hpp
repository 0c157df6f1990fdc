// The stager: does for one node what blocks on files: fills and empties the slots of jobs, copies
// code, reads logs and outputs. Detached, so that a slow disk stops neither heartbeats nor exits.
#pragma once

#include "actors/worker/job_slots.hpp"
#include "actors/worker/worker_context.hpp"
#include "runtime/core/code_manifest.hpp"

namespace troupe::actors {

class StagerState {
 public:
  static inline const char* name = "troupe.stager";
  explicit StagerState(stager_actor::pointer self) : self_{self} {}
  stager_actor::behavior_type make_behavior(WorkerContextRef context);

 private:
  Result<uint32_t> stage(const JobOrder& order);
  Result<void> fetch_code(const std::string& digest, const std::string& target);
  Result<std::string> fetch(bool manifest, const std::string& digest, uint64_t offset);
  Result<LogReply> read_log(const JobId& job, uint64_t offset, uint32_t limit);

  stager_actor::pointer self_;
  WorkerContextRef context_;
  std::unique_ptr<JobSlots> slots_;
  std::string manifest_digest_;  // the newest, kept: members of a sweep share their code
  CodeManifest manifest_;
};

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context);

}  // namespace troupe::actors
