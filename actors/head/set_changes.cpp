// What people do to a set that runs: other limits and rules, further points, members that are not
// to be tried. All of one wish becomes durable in one step, in the order of the search's ledger.
#include "actors/head/experiment_set.hpp"
#include "actors/head/set_change.hpp"
#include "runtime/wire/errors.hpp"

#include <fmt/format.h>

namespace troupe::actors {

caf::typed_response_promise<bool> ExperimentSetState::change(const std::string& user,
                                                             const SetChangeRef& wanted) {
  auto promise = self_->make_response_promise<bool>();
  wishes_.push_back({user, wanted, promise});
  if (!making_ && !saving_) apply_changes();
  return promise;
}

/// One after the other, while nothing is on its way to the ledger: what is compared with is there.
void ExperimentSetState::apply_changes() {
  if (making_ || saving_) return;  // made() or saved() comes back to it
  while (!wishes_.empty() && !saving_) {
    auto wish = std::move(wishes_.front());
    wishes_.pop_front();
    if (auto done = apply_change(wish.user, *wish.wanted); !done) {
      wish.promise.deliver(to_caf(done.error()));
      continue;
    }
    wished_.push_back(wish.promise);
    dirty_ = true;
    save();
    look_at_budget();
    finish_if_done();
  }
}

void ExperimentSetState::note_event(const std::string& kind, const std::string& cause) {
  Event event;
  event.time = context_->clock->now();
  event.kind = kind;
  event.subject = to_string(record_.id);
  event.project = record_.spec->project;
  event.cause = cause;
  unsaved_.push_back(std::move(event));
}

Result<void> ExperimentSetState::apply_change(const std::string& user,
                                              const api::SetChange& wanted) {
  if (!study_ || !search_)
    return Error{Errc::conflict, fmt::format("set {} cannot be changed", to_string(record_.id)),
                 record_.reason, fmt::format("troupe show {}", to_string(record_.id))};
  ChangingSet set{record_,   *search_,
                  *study_,   *context_->ledger,
                  stopping_, [this](uint32_t member) { return live_.contains(member); }};
  auto happened = change_set(set, user, wanted);
  if (!happened) return std::move(happened).error();
  for (const auto& text : *happened) note_event("change", text);
  return ok();
}

}  // namespace troupe::actors
