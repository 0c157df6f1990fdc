// Why an experiment does not run yet: what holds it back here, or what the scheduler or the dataset
// actor says of it.
#include "actors/head/director.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

caf::typed_response_promise<WaitingRef> DirectorState::why(ExperimentId id) {
  auto promise = self_->make_response_promise<WaitingRef>();
  api::Waiting waiting;
  if (auto hold = holds_.find(id); hold != holds_.end()) {
    for (auto predecessor : hold->second)
      waiting.reasons.push_back(
          fmt::format("it starts after {}, which has not ended", to_string(predecessor)));
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (auto awaited = outputs_awaited_.find(id); awaited != outputs_awaited_.end()) {
    waiting.reasons.push_back(awaited->second);
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (leases_awaited_.contains(id)) {
    waiting.reasons.push_back(
        "it is exclusive, and may still run where the head does not see it: first its lease has to "
        "run out there");
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (recovering_.contains(id)) {
    waiting.reasons.push_back(
        "it ran before the head was restarted; its node has not reported yet");
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (running_.contains(id)) {
    // Its actor holds it back until the pause before its next try is over.
    auto record = context_->ledger->experiment(id);
    if (record && *record && (**record).state == State::queued) {
      waiting.reasons.push_back(
          fmt::format("its next try comes after a pause: {}", (**record).reason));
      promise.deliver(share(std::move(waiting)));
      return promise;
    }
    why_starting(id, promise);
    return promise;
  }
  why_queued(id, promise);
  return promise;
}

void DirectorState::why_queued(ExperimentId id, caf::typed_response_promise<WaitingRef> promise) {
  self_->request(peers_.scheduler, limits::request_timeout, why_atom_v, id)
      .then([promise](const WaitingRef& answer) mutable { promise.deliver(answer); },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
}

/// It has its place, and may wait there for what it goes on from.
void DirectorState::why_starting(ExperimentId id, caf::typed_response_promise<WaitingRef> promise) {
  self_->request(peers_.datasets, limits::request_timeout, why_atom_v, id)
      .then(
          [this, id, promise](const std::string& reason) mutable {
            if (reason.empty()) return why_queued(id, promise);
            api::Waiting waiting;
            waiting.reasons.push_back(reason);
            promise.deliver(share(std::move(waiting)));
          },
          [this, id, promise](caf::error&) mutable { why_queued(id, promise); });
}

}  // namespace troupe::actors
