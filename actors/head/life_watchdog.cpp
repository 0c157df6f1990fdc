// What an experiment's life does where its ranks stand still.
#include "actors/head/life.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

Event ExperimentLife::note_of(const char* kind, std::string cause, Timestamp now) const {
  Event event;
  event.time = now;
  event.kind = kind;
  event.subject = to_string(record_.id);
  event.project = record_.spec->project;
  event.from = event.to = to_string(record_.state);
  event.cause = std::move(cause);
  return event;
}

Effects ExperimentLife::stands_still(const Error& error, Timestamp now) {
  Effects effects;
  if (!is_undecided()) return effects;
  bool told = record_.error && record_.error->what == error.what;
  record_.error = error;
  if (record_.spec->watchdog.action == HangAction::report) {
    if (told) return effects;
    record_.reason = error.what;
    effects.events.push_back(note_of("watchdog", error.what, now));
    effects.events.back().error = error;
    return effects;
  }
  outcome_ = Outcome::stalled;
  outcome_cause_ = error.what;
  outcome_error_ = error;
  attempt().error = error;
  note_failure({now.us - std::chrono::microseconds{record_.spec->watchdog.patience}.count()}, now);
  effects.events.push_back(note_of("watchdog", error.what + "; it is ended", now));
  effects.events.back().error = error;
  stop_others(effects, limits::kill_grace);
  return effects;
}

Effects ExperimentLife::goes_on(Timestamp now) {
  Effects effects;
  if (record_.state != State::running || outcome_ != Outcome::none || !record_.error)
    return effects;
  record_.error.reset();
  record_.reason = "its ranks make progress again";
  effects.events.push_back(note_of("watchdog", record_.reason, now));
  return effects;
}

Effects ExperimentLife::straggles(std::vector<Straggler> late, Timestamp now) {
  Effects effects;
  if (record_.state != State::running || record_.attempts.empty() || all_ended()) return effects;
  auto tell = [&](const std::vector<Straggler>& from, const std::vector<Straggler>& but,
                  auto words) {
    for (const auto& one : from) {
      bool known = std::any_of(but.begin(), but.end(),
                               [&](const Straggler& other) { return other.rank == one.rank; });
      if (!known)
        effects.events.push_back(note_of(
            "straggler", fmt::format("rank {} on {} {}", one.rank, one.node, words(one)), now));
    }
  };
  auto& known = attempt().stragglers;
  tell(late, known, [](const Straggler& one) {
    auto by = late_text(one);
    return fmt::format("is late: the others wait {:.0f} % of their time for it{}", one.share * 100,
                       by.empty() ? "" : ", " + by + " a call");
  });
  tell(known, late, [](const Straggler&) { return "keeps up with the others again"; });
  known = std::move(late);
  return effects;
}

/// Not at the expense of its retries: they count what its own processes did.
void ExperimentLife::settle_stalled(Timestamp now, Effects& effects) {
  auto patience_us = std::chrono::microseconds{record_.spec->watchdog.patience}.count();
  if (now.us - attempt().started.us >= steady_us + patience_us) record_.hangs = 0;
  if (record_.spec->watchdog.action == HangAction::restart && record_.hangs++ < hang_restarts_max) {
    finish_attempt(State::restarting, now);
    return start_again(fmt::format("{}; restart {} of {} by its watchdog", outcome_cause_,
                                   record_.hangs, hang_restarts_max),
                       now, effects);
  }
  finish_attempt(State::failed, now);
  become(State::failed, outcome_cause_, now, effects, outcome_error_ ? &*outcome_error_ : nullptr);
  effects.next = Effects::Next::ended;
}

}  // namespace troupe::actors
