// The director: the head's front desk. Admits submissions, gives ids, spawns the actors of
// experiments and sets and routes what nodes say to them. Waiting experiments have no actor: they
// are rows of the ledger and of the queue.
#pragma once

#include "actors/head/experiment.hpp"
#include "actors/head/head_context.hpp"
#include "hpo/searcher.hpp"

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::actors {

struct DirectorPeers {
  ledger_actor ledger;
  scheduler_actor scheduler;
  series_actor series;
  dataset_actor datasets;
};

class DirectorState {
 public:
  static inline const char* name = "troupe.director";
  explicit DirectorState(director_actor::pointer self) : self_{self} {}
  director_actor::behavior_type make_behavior(HeadContextRef context, DirectorPeers peers);

 private:
  /// What experiments and sets have in common here.
  using kill_target = caf::typed_actor<caf::replies_to<kill_atom, std::string>::with<bool>>;
  using SubmittedPromise = caf::typed_response_promise<SubmittedRef>;

  struct Admission;  // one batch on its way to the ledger
  struct LiveSet {
    experiment_set_actor actor;
    bool started = false;
    bool learns = false;    // hears of each placement
    asked_set_actor asked;  // the same actor where its members are run elsewhere
    std::shared_ptr<const Followed> followed;
  };

  // director_submit.cpp
  SubmittedPromise submit(const SubmitRef& batch);
  void check_fit(std::shared_ptr<Admission> admission);
  void admit(const std::shared_ptr<Admission>& admission);
  Result<hpo::SearchPlan> plan(const Submission& submission) const;
  void admit_one(Admission& admission, size_t index);
  void admitted(const std::shared_ptr<Admission>& admission);

  // director.cpp
  void placed(const PlacementRef& placement);
  void member_placed(ExperimentId id);
  void update(const std::string& from, const JobUpdate& update);
  void metrics(const std::string& from, const MetricBatch& batch);
  void ended(const RecordRef& record);
  void requeue(const RecordRef& record, std::chrono::nanoseconds lease_over);
  void forget_jobs(const ExperimentRecord& record);
  caf::typed_response_promise<uint64_t> drain(const std::string& cause);
  experiment_actor spawn_experiment(ExperimentRecord record);
  void spawn_set(SetRecord record, bool fresh);
  uint64_t next_epoch();
  void leave(const caf::error& reason);

  // director_holds.cpp
  void queue(const ExperimentRecord& record);
  bool hold_for_predecessors(const ExperimentRecord& record);
  void predecessor_ended(ExperimentId id);
  bool hold_for_outputs(const ExperimentRecord& record);
  void outputs_awaited(ExperimentId id);
  void outputs_refused(const RecordRef& record, const Error& error);
  void arm_pending_limit(const ExperimentRecord& record);
  void pending_limit(ExperimentId id, int64_t queued_us);

  // director_kill.cpp
  caf::typed_response_promise<bool> kill(const std::string& cause, ExperimentId id);
  std::optional<kill_target> target_of(ExperimentId id) const;
  void pass_kill(const kill_target& target, const std::string& cause, ExperimentId id,
                 caf::typed_response_promise<bool> promise);
  void kill_queued(const std::string& cause, ExperimentId id,
                   caf::typed_response_promise<bool> promise);
  void end_queued(ExperimentRecord record, State state, const std::string& cause,
                  const Error* error, caf::typed_response_promise<bool> promise);

  // director_why.cpp
  caf::typed_response_promise<WaitingRef> why(ExperimentId id);
  void why_queued(ExperimentId id, caf::typed_response_promise<WaitingRef> promise);
  void why_starting(ExperimentId id, caf::typed_response_promise<WaitingRef> promise);

  // director_trials.cpp
  caf::typed_response_promise<TrialAnswersRef> ask(const TrialCallsRef& calls);
  TrialAnswersRef ask_nobody(const TrialCalls& calls) const;
  void kill_trial(const std::string& cause, ExperimentId id,
                  caf::typed_response_promise<bool> promise);

  // director_members.cpp
  static std::shared_ptr<const Followed> followed_of(const SweepSpec& sweep);
  void stop(const std::string& cause, ExperimentId id);
  void stop_queued(const std::string& cause, ExperimentId id);
  void pause(const std::string& cause, ExperimentId id);
  bool park(const ExperimentRecord& record);
  void unpark(ExperimentId id);
  caf::typed_response_promise<bool> change_set(const std::string& user, uint64_t top,
                                               const SetChangeRef& wanted);
  void follow_anew(uint64_t top);

  // director_recovery.cpp
  void recover();
  NodeWelcome hello(const NodeHello& hello, const node_actor& handle);
  bool claim(const NodeHello& hello, const node_actor& handle, const JobUpdate& job);
  bool adopt_unknown(const NodeHello& hello, const node_actor& handle, const JobUpdate& job);
  experiment_actor revive(ExperimentId id);
  void refuse(const std::string& node, const JobKey& key);
  void settle_unheard(const NodeHello& hello);
  void settle_running(const NodeHello& hello);
  void lost_node(const std::string& node, int64_t silent_ms);
  void end_recovery();
  void await_lease(const RecordRef& record, std::chrono::nanoseconds over);
  void lease_over(const RecordRef& record);

  director_actor::pointer self_;
  HeadContextRef context_;
  DirectorPeers peers_;
  uint64_t next_top_ = 1;
  uint64_t epochs_ = 0;
  std::unordered_map<ExperimentId, experiment_actor> running_;
  std::unordered_map<uint64_t, LiveSet> sets_;
  std::map<std::string, node_actor> nodes_;
  std::map<std::string, std::string> addresses_;           // by node
  std::map<std::string, api::Submitted> keys_on_the_way_;  // idempotency keys not yet durable
  std::set<std::string> shapes_that_fit_;  // resource shapes checked since nodes last changed
  std::map<ExperimentId, std::vector<ExperimentId>>
      held_for_;                                          // predecessor -> those that wait for it
  std::map<ExperimentId, std::set<ExperimentId>> holds_;  // waiting -> predecessors not yet ended
  std::map<ExperimentId, std::string> outputs_awaited_;   // whose outputs are not here yet; why
  std::map<ExperimentId, std::vector<caf::typed_response_promise<bool>>>
      ending_;  // never had an actor; their end is on its way to the ledger
  std::map<ExperimentId, std::chrono::nanoseconds>
      leases_awaited_;  // exclusive, QUEUED and in no queue until that monotonic time
  std::map<ExperimentId, std::string> kill_again_;  // cause, where the commit of a kill failed
  std::map<ExperimentId, ExperimentRecord>
      recovering_;  // ran before the restart; node not yet back
  std::map<std::string, std::map<ExperimentId, std::set<uint32_t>>>
      unheard_;  // by node: jobs of revived experiments of which it has not yet spoken
  bool draining_ = false;
  uint64_t drained_ = 0;
  std::vector<caf::typed_response_promise<uint64_t>> drain_promises_;
};

director_actor::behavior_type director_behavior(
    director_actor::stateful_pointer<DirectorState> self, HeadContextRef context,
    DirectorPeers peers);

}  // namespace troupe::actors
