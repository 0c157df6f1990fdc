// The node actor: the worker itself. Joins the head, starts job actors, passes on what the launcher
// says, and settles after a restart of either side what runs with what should run.
#pragma once

#include "actors/worker/binding_books.hpp"
#include "actors/worker/cache.hpp"
#include "actors/worker/job.hpp"
#include "actors/worker/stager.hpp"
#include "actors/worker/worker_context.hpp"
#include "runtime/core/lease.hpp"
#include "runtime/core/limits.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class NodeState {
 public:
  static inline const char* name = "troupe.node";
  explicit NodeState(node_actor::pointer self) : self_{self} {}
  node_actor::behavior_type make_behavior(WorkerContextRef context);

 private:
  struct Job {
    JobKey key;
    job_actor actor;
    bool running = true;
    bool leased = false;            // of an exclusive experiment
    bool cleaned = false;           // its folders were emptied before the head said to forget it
    uint64_t log_end = 0;           // so far its log has been heard of
    std::string token = {};         // of its order
    std::vector<std::string> runs;  // names of its runs at the launcher
  };
  /// A job that ran when the worker started, until the head has said whether it wants it.
  struct Found {
    process::RunStatus run;  // of its last phase
    uint32_t attempt = 1;
    std::vector<uint32_t> gpus;
    uint16_t first_port = 0;
  };
  struct LogWait {
    JobId job;
    uint64_t offset = 0;
    caf::typed_response_promise<LogStatus> promise;
    int64_t deadline_us = 0;
  };

  void start(JobOrder order);
  job_actor spawn_job(JobOrder order, uint32_t slot = 0);
  void adopt(const JobKey& key);
  void stop(const JobKey& key, uint32_t grace_ms);
  void forget(JobKey key);  // a copy: the original lies in what is removed
  void drop(const JobKey& key, const Job& entry);
  void release(const JobKey& key);
  void flush_released();
  void gone(const JobKey& key);
  Job* job(const JobKey& key);

  void known(const std::vector<process::RunStatus>& runs);
  void join();
  void welcomed(const NodeWelcome& welcome, Lease::Nanos asked);
  void reconnected(const std::vector<process::RunStatus>& runs);
  void renew_lease(Lease::Nanos sent);
  void spread_lease();
  bool has_leased() const;
  void report_all();
  void launched(const RunStatusRef& status);
  void tick();
  void arm_tick();

  // node_link.cpp
  NodeHello blank_hello() const;
  void linked(const std::string& url);
  void join_again();
  void say_hello_again(NodeHello hello);

  // node_stuck.cpp
  void stuck(const process::RunStatus& status);
  void not_stuck(const std::string& run);
  std::string stuck_text() const;

  // node_logs.cpp
  caf::typed_response_promise<LogStatus> log(const JobId& job, uint64_t offset, bool wait);
  LogStatus log_status(const JobId& id) const;
  void wake_log_waits(const JobId& job);
  void expire_log_waits();

  node_actor::pointer self_;
  WorkerContextRef context_;
  stager_actor stager_;
  cache_actor cache_;
  gpu_watch_actor gpus_;  // null where there are none
  BindingBooks books_{{}};
  GpuReport devices_;
  std::shared_ptr<process::Launcher> launcher_;
  std::shared_ptr<Lease> lease_ = std::make_shared<Lease>(limits::exclusive_lease);
  uint64_t epoch_ = 0;
  bool joining_ = false;
  bool joined_ = false;
  bool tick_armed_ = false;
  std::string head_url_;  // of a head that is elsewhere
  bool joining_again_ = false;
  std::map<JobKey, Found> found_;
  std::map<JobId, Job> jobs_;
  std::map<JobKey, Job> abandoned_;  // given up by the head while they ran; being stopped
  std::vector<job_actor> unleased_;  // begin with the next term of the lease
  std::vector<JobKey> released_;     // the stager has yet to hear that their slots are free
  std::vector<LogWait> log_waits_;
  std::map<std::string, std::string> stuck_;  // runs that cannot be killed: what they do
};

node_actor::behavior_type node_behavior(node_actor::stateful_pointer<NodeState> self,
                                        WorkerContextRef context);

}  // namespace troupe::actors
