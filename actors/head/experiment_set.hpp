// The actor of one sweep. Members are made a few at a time, as places become free: a set of a
// hundred thousand costs no more than those that run. What they try its search says (SetSearch),
// what the reports add up to hpo::Study.
//
// Where the strategy learns, a member is born as late as can be, so that its point is made from all
// that is known: when a place under the set's concurrency is free, without that as soon as the one
// before it was placed.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/held_time.hpp"
#include "actors/head/set_search.hpp"
#include "hpo/study.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace troupe::actors {

struct ExperimentSetPeers {
  director_actor director;
  ledger_actor ledger;
};

class ExperimentSetState {
 public:
  static inline const char* name = "troupe.experiment_set";
  explicit ExperimentSetState(experiment_set_actor::pointer self) : self_{self} {}
  experiment_set_actor::behavior_type make_behavior(HeadContextRef context,
                                                    ExperimentSetPeers peers, SetRecord record,
                                                    bool fresh);

 private:
  void prepare(bool fresh);
  Result<void> resume();
  void fill();
  size_t room() const;
  void space_is_done(const Error& why);
  void made(std::vector<RecordRef> members);
  void not_made(uint32_t first, std::optional<storage::PutSearch> news, const caf::error& error);
  void placed(ExperimentId member);
  ExperimentRecord member_record(uint32_t number, std::map<std::string, Value> params,
                                 Timestamp now) const;
  void reported(const MemberReports& reports);
  void stop_members();
  void member_ended(const ExperimentRecord& member);
  void follow(const hpo::Decision& decision);
  void kill_members(const std::string& cause);
  caf::typed_response_promise<bool> kill(const std::string& cause);
  void become(State to, const std::string& cause, const Error* error = nullptr);
  void copy_study();
  void finish_if_done();
  void fail(Error error);
  void save();

  // set_turns.cpp
  void parked(ExperimentId member);
  void promote();
  void recall_turns(const ExperimentRecord& member);
  bool end_waiting();
  /// Who was told to go on has a place again, although it is parked until that is durable.
  size_t occupied() const { return live_.size() - parked_.size() + going_.size(); }

  // set_changes.cpp
  caf::typed_response_promise<bool> change(const std::string& user, const SetChangeRef& wanted);
  void apply_changes();
  Result<void> apply_change(const std::string& user, const api::SetChange& wanted);
  void note_event(const std::string& kind, const std::string& cause);

  // set_budget.cpp
  void count_spent();
  void look_at_budget();
  void budget_is_spent();

  std::optional<storage::PutSearch> add_news(std::vector<storage::Mutation>& mutations);
  void saved();

  experiment_set_actor::pointer self_;
  HeadContextRef context_;
  ExperimentSetPeers peers_;
  SetRecord record_;
  std::optional<SetSearch> search_;
  std::optional<hpo::Study> study_;
  std::unordered_set<uint32_t> live_;      // members with a record that have not ended
  std::unordered_set<uint32_t> unplaced_;  // of these: have had no place yet
  std::unordered_set<uint32_t> parked_;    // of these: gave their place away, and wait
  std::unordered_set<uint32_t> going_;     // of those: will be told to go on
  std::vector<uint32_t>
      to_stop_;          // or to pause, or to let go on, by what is on its way to the ledger
  bool making_ = false;  // members are on their way to the ledger
  bool stopping_ = false;
  bool killed_ = false;
  bool dirty_ = false;  // the record differs from what was saved
  bool saving_ = false;
  std::vector<Event> unsaved_;
  std::vector<caf::typed_response_promise<bool>> kill_promises_;
  struct Wish {
    std::string user;
    SetChangeRef wanted;
    caf::typed_response_promise<bool> promise;
  };
  std::deque<Wish> wishes_;                                // to change it
  std::vector<caf::typed_response_promise<bool>> wished_;  // done, on their way to the ledger
  HeldTime held_;                                          // by members that have ended
  Timestamp spent_counted_;                                // when that was last written
  uint64_t looks_ = 0;  // at the budget; only the last one that was planned counts
};

experiment_set_actor::behavior_type experiment_set_behavior(
    experiment_set_actor::stateful_pointer<ExperimentSetState> self, HeadContextRef context,
    ExperimentSetPeers peers, SetRecord record, bool fresh);

}  // namespace troupe::actors
