// The actor of one sweep. Members are made a few at a time, as places become free: a set of a
// hundred thousand costs no more than those that run. What the reports add up to is decided by
// hpo::Study.
#pragma once

#include "actors/head/head_context.hpp"
#include "hpo/sampler.hpp"
#include "hpo/study.hpp"

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
  void resume();
  void fill();
  void made(std::vector<RecordRef> members);
  ExperimentRecord member_record(uint32_t number, std::map<std::string, Value> params,
                                 Timestamp now) const;
  void member_ended(const ExperimentRecord& member);
  void follow(const hpo::Decision& decision);
  void kill_members(const std::string& cause);
  caf::typed_response_promise<bool> kill(const std::string& cause);
  void become(State to, const std::string& cause, const Error* error = nullptr);
  void copy_study();
  void finish_if_done();
  void fail(Error error);
  void save();
  void saved();

  experiment_set_actor::pointer self_;
  HeadContextRef context_;
  ExperimentSetPeers peers_;
  SetRecord record_;
  std::unique_ptr<hpo::Sampler> sampler_;
  std::optional<hpo::Study> study_;
  std::unordered_set<uint32_t> live_;  // members with a record that have not ended
  bool making_ = false;                // members are on their way to the ledger
  bool stopping_ = false;
  bool killed_ = false;
  bool dirty_ = false;  // the record differs from what was saved
  bool saving_ = false;
  std::vector<Event> unsaved_;
  std::vector<caf::typed_response_promise<bool>> kill_promises_;
};

experiment_set_actor::behavior_type experiment_set_behavior(
    experiment_set_actor::stateful_pointer<ExperimentSetState> self, HeadContextRef context,
    ExperimentSetPeers peers, SetRecord record, bool fresh);

}  // namespace troupe::actors
