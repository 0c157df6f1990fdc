// The set that a desk stands for: what its study makes of the trials that end, what it decides from
// that, and its own states.
#include "actors/head/set_change.hpp"
#include "actors/head/set_record.hpp"
#include "actors/head/trial_desk.hpp"

#include <fmt/format.h>

namespace troupe::actors {

void TrialDesk::end(ExperimentRecord record, State state, const std::string& cause) {
  auto now = context_->clock->now();
  auto stop = search_.stopping().find(record.id.member);
  if (state == State::finished && stop != search_.stopping().end()) {
    record.stopped = stop->second;
    ++record_.stopped;
  }
  Error error{Errc::failed, fmt::format("trial {} failed", to_string(record.id)), cause, ""};
  if (state == State::failed) record.error = error;
  changes_.push_back(storage::AppendEvent{state_event(record.id, record_.spec->project,
                                                      to_string(record.state), state, cause, now,
                                                      state == State::failed ? &error : nullptr)});
  record.state = state;
  record.reason = record.stopped.empty() ? cause : record.stopped;
  record.ended = now;
  search_.end(record);
  auto decision = study_.report(record.id.member, state, record.metrics);
  put(std::move(record), false);
  copy_study();
  follow(decision);
  finish_if_done();
}

/// Numbers rise with the time at which they were asked for.
void TrialDesk::expire(Timestamp now) {
  const auto limit = record_.spec->limits.running;
  if (limit.count() == 0) return;
  const auto most = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();
  while (!running_.empty() && now.us - running_.begin()->second->started.us > most)
    end(*running_.begin()->second, State::killed,
        fmt::format("nobody told what came of it within {}", duration_text(limit)));
}

void TrialDesk::follow(const hpo::Decision& decision) {
  if (decision.new_best) copy_study();
  if (!decision.stop || stopping_) return;
  stopping_ = true;
  copy_study();
  record_.reason = decision.reason;
  if (decision.kill) end_all(decision.reason);
  finish_if_done();
}

void TrialDesk::end_all(const std::string& cause) {
  while (!running_.empty()) {
    auto record = *running_.begin()->second;
    end(std::move(record), State::killed, cause);
  }
  unclaimed_.clear();
}

void TrialDesk::copy_study() {
  if (actors::copy_study(study_, search_.front(), record_))
    if (auto best = known(*record_.best_member)) record_.best_params = (**best).params;
  changed_ = true;
}

void TrialDesk::become(State to, const std::string& cause, const Error* error) {
  if (is_terminal(record_.state) || record_.state == to) return;
  auto now = context_->clock->now();
  changes_.push_back(storage::AppendEvent{change_state(record_, to, cause, now, error)});
  changed_ = true;
}

void TrialDesk::finish_if_done() {
  if (!running_.empty() || !is_over() || is_terminal(record_.state)) return;
  auto state = study_.final_state(false);
  auto cause = study_.summary();
  if (auto decision = study_.decision(); decision.stop) cause += "; " + decision.reason;
  if (state != State::failed) return become(state, cause);
  auto error = set_failed(record_, cause);
  become(state, cause, &error);
}

Result<void> TrialDesk::change(const std::string& user, const api::SetChange& wanted) {
  ChangingSet set{record_,   search_,
                  study_,    *context_->ledger,
                  stopping_, [this](uint32_t trial) { return running_.contains(trial); }};
  auto happened = change_set(set, user, wanted);
  if (!happened) return std::move(happened).error();
  rule_.reset();
  if (record_.sweep.early_stop.is_map())
    rule_ = hpo::read_early_stop(record_.sweep.early_stop).value();  // the search has read it, too
  for (auto& text : *happened) {
    Event event;
    event.time = context_->clock->now();
    event.kind = "change";
    event.subject = to_string(record_.id);
    event.project = record_.spec->project;
    event.cause = std::move(text);
    changes_.push_back(storage::AppendEvent{std::move(event)});
  }
  changed_ = true;
  finish_if_done();
  return ok();
}

void TrialDesk::kill(const std::string& cause) {
  if (is_terminal(record_.state)) return;
  become(State::killing, cause);
  stopping_ = true;
  // Not by follow(): what is killed ends as killed, whatever its trials came to.
  while (!running_.empty()) {
    auto record = *running_.begin()->second;
    changes_.push_back(
        storage::AppendEvent{state_event(record.id, record_.spec->project, to_string(record.state),
                                         State::killed, cause, context_->clock->now())});
    record.state = State::killed;
    record.reason = cause;
    record.ended = context_->clock->now();
    search_.end(record);
    study_.report(record.id.member, State::killed, record.metrics);
    put(std::move(record), false);
  }
  unclaimed_.clear();
  copy_study();
  become(State::killed, cause);
}

void TrialDesk::fail(Error error) {
  auto cause = error.what;
  become(State::failed, cause, &error);
}

}  // namespace troupe::actors
