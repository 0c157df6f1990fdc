// What the director passes on to sets whose members are run elsewhere.
#include "actors/head/commit.hpp"
#include "actors/head/director.hpp"
#include "actors/head/trial_answers.hpp"

#include <fmt/format.h>

namespace troupe::actors {

/// Where its actor has gone, the set has ended and is in the ledger.
caf::typed_response_promise<TrialAnswersRef> DirectorState::ask(const TrialCallsRef& calls) {
  auto promise = self_->make_response_promise<TrialAnswersRef>();
  auto set = sets_.find(calls->top);
  if (set == sets_.end() || !set->second.asked) {
    promise.deliver(ask_nobody(*calls));
    return promise;
  }
  self_->request(set->second.asked, commit_timeout, ask_atom_v, calls)
      .then([promise](const TrialAnswersRef& answers) mutable { promise.deliver(answers); },
            [this, calls, promise](caf::error& e) mutable {
              if (e == caf::sec::request_receiver_down)
                promise.deliver(ask_nobody(*calls));
              else
                promise.deliver(std::move(e));
            });
  return promise;
}

TrialAnswersRef DirectorState::ask_nobody(const TrialCalls& calls) const {
  TrialAnswers answers;
  for (const auto& call : calls.calls)
    if (const auto* tell = std::get_if<api::TellRequest>(&call.request))
      answers.emplace_back(actors::tell_nobody(*context_->ledger, calls.top, *tell));
    else
      answers.emplace_back(actors::ask_nobody(*context_->ledger, calls.top));
  return share(std::move(answers));
}

/// False where it had ended before.
void DirectorState::kill_trial(const std::string& cause, ExperimentId id,
                               caf::typed_response_promise<bool> promise) {
  api::TellRequest request;
  request.trial = id.member;
  request.state = State::killed;
  TrialCalls calls{id.top, {{"", std::move(request), cause}}};
  TrialCallsRef shared{std::make_shared<const TrialCalls>(std::move(calls))};
  self_->request(sets_.at(id.top).asked, commit_timeout, ask_atom_v, shared)
      .then(
          [promise](const TrialAnswersRef& answers) mutable {
            auto& told = std::get<Result<api::Told>>(answers->front());
            if (told || told.error().code == Errc::conflict)
              promise.deliver(static_cast<bool>(told) && !told->repeated);
            else
              promise.deliver(to_caf(told.error()));
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
}

}  // namespace troupe::actors
