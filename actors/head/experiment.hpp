// The experiment actor: drives one ExperimentLife. Spawned by the director when the experiment is
// placed (or, after a restart of the head, for what was running), gone when the record is terminal
// or QUEUED again and that is durable.
#pragma once

#include "actors/head/hang_watch.hpp"
#include "actors/head/head_context.hpp"
#include "actors/head/life.hpp"
#include "actors/head/stragglers.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// Those an experiment talks to.
struct ExperimentPeers {
  director_actor director;
  ledger_actor ledger;
  scheduler_actor scheduler;
  series_actor series;
  dataset_actor datasets;
  experiment_set_actor set;  // of a member; else empty
  /// What its set's rule of early stopping looks at; null where it has none.
  std::shared_ptr<const Followed> followed;
};

class ExperimentState {
 public:
  static inline const char* name = "troupe.experiment";
  explicit ExperimentState(experiment_actor::pointer self) : self_{self} {}
  experiment_actor::behavior_type make_behavior(HeadContextRef context, ExperimentPeers peers,
                                                ExperimentRecord record);

 private:
  void place(const schedule::Placement& placement, uint64_t epoch);
  void ask_resume(const ExperimentRecord& from);
  void ask_branch();
  void give_orders();
  void adopt(const JobUpdate& update, const std::string& node);
  void settle(const std::string& node, const std::vector<JobKey>& known);
  void note_port(const JobUpdate& update);
  caf::typed_response_promise<bool> kill(const std::string& cause);
  void apply(Effects effects);
  void arm_running_limit();
  void watch(const JobUpdate& update);
  JobKey key_of(uint32_t index) const;
  bool may_speak(const std::string& node, const JobKey& key) const;
  template <class... Ts>
  void tell_node(uint32_t index, Ts... message);

  // experiment_points.cpp
  void metrics(const MetricBatch& batch);
  void note_pace(const std::vector<WirePoint>& points);
  void tell_set();
  void tell_rule(const MetricBatch& batch);

  // experiment_save.cpp
  void save();
  std::pair<uint64_t, size_t> ends() const;
  void sync_points();
  void commit();
  void saved();
  void finish();

  // experiment_receipt.cpp
  bool wants_receipt();
  static void add_receipt(std::vector<JobOrder>& orders);
  void file_receipt(Effects& effects);

  experiment_actor::pointer self_;
  HeadContextRef context_;
  ExperimentPeers peers_;
  std::unique_ptr<ExperimentLife> life_;
  std::map<std::string, node_actor> nodes_;
  std::map<std::string, std::string> addresses_;  // by node
  std::vector<JobOrder> orders_;  // of the newest attempt, until it is known what it goes on from
  std::vector<uint16_t> first_ports_;  // by job of the newest attempt, as far as they have said
  std::vector<Event> unsaved_;
  bool saving_ = false;
  bool points_unsynced_ = false;  // sent to the series since it last said that all is stored
  std::pair<uint64_t, size_t> ends_synced_{0, 0};  // whose points are on the disk
  std::vector<caf::typed_response_promise<bool>>
      kill_promises_;  // answered when KILLING is durable
  Effects::Next next_ = Effects::Next::none;
  Duration backoff_{0};
  std::chrono::nanoseconds lease_over_{0};  // monotonic; before that no other attempt may begin
  double resource_ = 0;                     // the last its rule was told; 0: none
  std::optional<HangWatch> watch_;          // where its spec has a watchdog
  Stragglers stragglers_;
  uint64_t limit_armed_ = 0;  // epoch of the attempt whose running limit is being timed
};

experiment_actor::behavior_type experiment_behavior(
    experiment_actor::stateful_pointer<ExperimentState> self, HeadContextRef context,
    ExperimentPeers peers, ExperimentRecord record);

}  // namespace troupe::actors
