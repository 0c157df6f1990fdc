// The job actor: one job on this node, from its order to its end: folders, then setup and run lines
// one after the other through the launcher, metrics on the way. The processes outlive it; after a
// restart of the worker a new job actor adopts them.
#pragma once

#include "actors/worker/checkpoint_look.hpp"
#include "actors/worker/metric_reader.hpp"
#include "actors/worker/pace_look.hpp"
#include "actors/worker/pulses.hpp"
#include "actors/worker/rank_services.hpp"
#include "actors/worker/wait_watch.hpp"
#include "actors/worker/worker_context.hpp"
#include "actors/worker/world_check.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace troupe::actors {

struct JobPeers {
  node_actor node;
  stager_actor stager;
  cache_actor cache;
  gpu_watch_actor gpus;  // null where there are none
  std::shared_ptr<process::Launcher> launcher;
  LeaseTerm lease;  // for exclusive jobs
};

class JobState {
 public:
  static inline const char* name = "troupe.job";
  explicit JobState(job_actor::pointer self) : self_{self} {}
  job_actor::behavior_type make_behavior(WorkerContextRef context, JobPeers peers, JobOrder order,
                                         uint32_t slot);

 private:
  enum class Stage { holding, staging, running, at_barrier, ended };

  void choose(size_t first);
  bool choose_older(const Error& error);
  void hold(const std::function<void()>& go_on);
  void prepare();
  void staged(uint32_t slot, bool started);
  void adopt(const process::RunStatus& status);
  void go_on(uint32_t phase);
  void begin_phase(const PhaseStart& start);
  void start_phase(uint32_t phase);
  void start_line();
  Result<void> serve_ranks();
  void launched(const process::RunStatus& status);
  void stop(Duration grace);
  void stop_run();
  void send(JobUpdate update);
  void tell_again();
  void take_link() { link_ = context_->link ? context_->link->load() : 0; }
  JobUpdate blank(JobStep step) const;

  // job_end.cpp
  void phase_ended(const process::RunStatus& status);
  Error exit_error(const process::RunStatus& status) const;
  void device_lost(const std::string& what);
  void settle_devices(JobUpdate update);
  void fail(Error error, bool infrastructure);
  void end(JobUpdate update);

  // job_receipt.cpp
  bool leaves_receipt() const;
  bool receipt_ended(const process::RunStatus& status);

  // job_metrics.cpp
  void scan_metrics(bool final);
  void scan_file(bool final);
  void scan_log_store(bool final);
  void send_metrics(const std::string& source, uint64_t from, uint64_t to,
                    std::vector<WirePoint> points);
  bool look_for_checkpoints();
  void watch_disk();
  void watch(const process::RunStatus& status);
  void look_at_world();
  void pulse();

  job_actor::pointer self_;
  WorkerContextRef context_;
  JobPeers peers_;
  std::shared_ptr<const JobOrder> order_;
  std::shared_ptr<const HeldData> data_;  // once its data is here
  std::optional<WorldCheck> world_;       // of the line that runs
  Error warning_;                         // what it has seen
  RankServices services_;                 // for the line that runs
  std::vector<ReceiptPart> receipt_;      // once it is measured: one
  StagingRef staging_;                    // of its first line
  uint32_t slot_ = 0;                     // its folders; known when it is staged
  Stage stage_ = Stage::staging;
  uint32_t phase_ = 0;
  std::string run_key_;  // of the phase that runs
  bool stop_wanted_ = false;
  Duration grace_{0};  // the shortest that was wished for; also for what is adopted later
  JobUpdate newest_;
  uint64_t link_ = 0;  // all that was reported on it begins at the beginning
  int64_t started_us_ = 0;
  uint64_t file_offset_ = 0;
  uint64_t file_lines_ = 0;
  uint64_t bad_metric_lines_ = 0;  // told once, at the end
  uint64_t log_offset_ = 0;
  std::map<std::string, uint64_t>
      log_points_;  // points of each name from the log: the step where none was given
  uint64_t disk_free_least_ = UINT64_MAX;
  std::vector<ResumeChoice> choices_;  // as they came
  size_t chosen_ = 0;                  // of these
  std::string device_lost_;            // what went bad below it
  std::string resume_note_;
  std::optional<CheckpointLook> checkpoints_;  // once it runs
  std::optional<Pulses> pulses_;               // where its experiment has a watchdog
  std::optional<PaceLook> pace_;               // of a gang
  std::optional<WaitWatch> waits_;             // likewise
  std::string watched_run_;                    // whose processes these and the world are of
};

/// `slot` has the folders of a job that is adopted; one that begins is given its own.
job_actor::behavior_type job_behavior(job_actor::stateful_pointer<JobState> self,
                                      WorkerContextRef context, JobPeers peers, JobOrder order,
                                      uint32_t slot);

}  // namespace troupe::actors
