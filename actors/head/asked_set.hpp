// The actor of a set whose members are run elsewhere. What it is asked and told while a commit
// syncs goes into the next one together; answers go out when they are durable. What they are the
// desk says (TrialDesk).
#pragma once

#include "actors/head/experiment_set.hpp"
#include "actors/head/trial_desk.hpp"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class AskedSetState {
 public:
  static inline const char* name = "troupe.asked_set";
  explicit AskedSetState(asked_set_actor::pointer self) : self_{self} {}
  asked_set_actor::behavior_type make_behavior(HeadContextRef context, ExperimentSetPeers peers,
                                               SetRecord record, bool fresh);

 private:
  using Promise = caf::typed_response_promise<TrialAnswersRef>;
  struct Waiting {
    TrialCallsRef calls;
    Promise promise;
  };
  struct Answered {
    TrialAnswersRef answers;
    Promise promise;
  };

  using Done = caf::typed_response_promise<bool>;

  struct Wish {
    std::string user;
    SetChangeRef wanted;
    Done promise;
  };

  Promise take(const TrialCallsRef& calls);
  TrialAnswers answers_to(const TrialCalls& calls);
  void serve();
  void commit(std::vector<Answered> answered);
  void written(std::vector<Answered>& answered, std::vector<Done>& done);
  caf::typed_response_promise<bool> change(const std::string& user, const SetChangeRef& wanted);
  void apply_changes();
  caf::typed_response_promise<bool> kill(const std::string& cause);

  asked_set_actor::pointer self_;
  HeadContextRef context_;
  ExperimentSetPeers peers_;
  std::optional<TrialDesk> desk_;
  std::optional<Error> broken_;  // why there is none
  std::deque<Waiting> waiting_;
  std::vector<Wish> wishes_;  // to change it
  std::vector<Done> done_;    // changes and kills that go with the next commit
  bool committing_ = false;
  bool serve_sent_ = false;
};

asked_set_actor::behavior_type asked_set_behavior(
    asked_set_actor::stateful_pointer<AskedSetState> self, HeadContextRef context,
    ExperimentSetPeers peers, SetRecord record, bool fresh);

}  // namespace troupe::actors
