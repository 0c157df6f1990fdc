// A set whose members are run elsewhere, without the waiting: what is asked and told becomes
// answers, and changes of the ledger that must be durable before anybody sees these. Owned by the
// set's actor; one thread, reads the ledger and nothing else.
//
//   ask(), tell(), ...   as often as wanted
//   take()               all that they changed, as one commit
//   written() / failed() what became of it
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/set_search.hpp"
#include "actors/head/trial_answers.hpp"
#include "client/api/trial_service.hpp"
#include "hpo/stopper.hpp"
#include "hpo/study.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class TrialDesk {
 public:
  /// `fresh`: nothing was ever asked of it.
  static Result<TrialDesk> make(HeadContextRef context, SetRecord record, bool fresh);

  Result<api::Asked> ask(const std::string& user, const api::AskRequest& request);
  /// `cause` in words: "told by ada".
  Result<api::Told> tell(const std::string& cause, const api::TellRequest& request);
  /// Other limits and rules, further points, trials that are to end.
  Result<void> change(const std::string& user, const api::SetChange& wanted);
  /// Ends the set and what of it was not told.
  void kill(const std::string& cause);
  /// It cannot go on at all.
  void fail(Error error);

  const SetRecord& record() const { return record_; }
  /// Whether there is anything to take().
  bool has_changes() const { return changed_ || !changes_.empty() || !unwritten_.empty(); }
  /// Nothing where nothing changed.
  std::vector<storage::Mutation> take();
  void written();
  /// They stay to be written with the next: what was decided is decided. Trials that nobody got an
  /// answer for are given to whoever asks next.
  void failed(const std::vector<storage::Mutation>& mutations);

 private:
  TrialDesk(HeadContextRef context, SetRecord record, SetSearch search, hpo::Study study)
      : context_{std::move(context)},
        record_{std::move(record)},
        search_{std::move(search)},
        study_{std::move(study)} {}

  Result<void> resume();
  Result<std::optional<api::Asked>> asked_before(const std::string& key_user,
                                                 const std::string& key);
  Result<api::Trial> trial(uint32_t number);
  Result<std::shared_ptr<const ExperimentRecord>> known(uint32_t number);
  Result<void> make_trial(const std::string& user, std::vector<uint32_t>& numbers);
  Result<void> check_whole(ExperimentId id, const api::TellRequest& request,
                           const ExperimentRecord& record,
                           const std::map<std::string, double>& given) const;
  void report(ExperimentRecord& record, const std::map<std::string, double>& given);
  void put(ExperimentRecord record, bool is_new);
  bool is_over() const;
  std::string over_text() const;

  // trial_desk_set.cpp
  void end(ExperimentRecord record, State state, const std::string& cause);
  void expire(Timestamp now);
  void follow(const hpo::Decision& decision);
  void end_all(const std::string& cause);
  void copy_study();
  void become(State to, const std::string& cause, const Error* error = nullptr);
  void finish_if_done();

  HeadContextRef context_;
  SetRecord record_;
  SetSearch search_;
  hpo::Study study_;
  std::optional<hpo::EarlyStop> rule_;
  std::map<uint32_t, std::shared_ptr<const ExperimentRecord>> running_;
  std::map<uint32_t, std::shared_ptr<const ExperimentRecord>> ended_;  // and not durable yet
  std::map<std::string, std::vector<uint32_t>> keys_;                  // not durable yet
  std::vector<uint32_t> unanswered_;  // given without a key by what is not durable yet
  std::vector<uint32_t> unclaimed_;   // of these, those whose answer was an error
  std::vector<storage::Mutation> changes_;
  std::vector<storage::Mutation> unwritten_;
  bool changed_ = false;  // the set's record
  bool stopping_ = false;
};

}  // namespace troupe::actors
