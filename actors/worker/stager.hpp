// The stager: does for one node what blocks on files: makes and removes the folders of jobs, copies
// code, reads logs and outputs. Detached, so that a slow disk stops neither heartbeats nor exits.
#pragma once

#include "actors/worker/worker_context.hpp"
#include "runtime/core/code_manifest.hpp"

namespace troupe::actors {

class StagerState {
 public:
  static inline const char* name = "troupe.stager";
  explicit StagerState(stager_actor::pointer self) : self_{self} {}
  ~StagerState() { sweep(); }
  stager_actor::behavior_type make_behavior(WorkerContextRef context);

 private:
  Result<std::string> stage(const JobOrder& order);
  Result<void> make_folders(const JobOrder& order);
  Result<void> fetch_code(const std::string& digest, const std::string& target);
  Result<std::string> fetch(bool manifest, const std::string& digest, uint64_t offset);
  Result<LogReply> read_log(const JobId& job, uint64_t offset, uint32_t limit);

  void sweep_later(const std::string& dir);
  void arm_sweep();
  void sweep();

  stager_actor::pointer self_;
  WorkerContextRef context_;
  std::string manifest_digest_;  // the newest, kept: members of a sweep share their code
  CodeManifest manifest_;
  std::vector<std::string> litter_;  // empty folders and small files of ended jobs, to be removed
  bool sweep_armed_ = false;
  bool staged_since_ = false;
};

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context);

/// The order of a job as it was staged; not_found where there is none.
Result<JobOrder> read_order(const std::string& path);

}  // namespace troupe::actors
