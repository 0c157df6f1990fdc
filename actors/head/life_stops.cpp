// Why an attempt may end although its jobs would go on: somebody asks for it, its time is over, or
// its nodes are gone. The first reason counts; what then becomes of it is said in life_outcome.cpp.
#include "actors/head/life.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

Effects ExperimentLife::kill(const std::string& cause, Timestamp now) {
  Effects effects;
  if (is_terminal(record_.state) || record_.state == State::killing) return effects;
  outcome_ = Outcome::killed;
  outcome_cause_ = cause;
  outcome_error_.reset();
  record_.stopped.clear();
  become(State::killing, cause, now, effects);
  if (record_.attempts.empty() || attempt().ended || all_ended()) {
    become(State::killed, cause, now, effects);
    effects.next = Effects::Next::ended;
  } else {
    stop_others(effects, limits::kill_grace);
  }
  return effects;
}

Effects ExperimentLife::stop(const std::string& cause, Timestamp /*now*/) {
  Effects effects;
  if (!is_undecided()) return effects;
  outcome_ = Outcome::stopped;
  outcome_cause_ = record_.stopped = cause;
  effects.changed = true;
  stop_others(effects, limits::kill_grace);
  return effects;
}

Effects ExperimentLife::pause(const std::string& cause, Timestamp now) {
  auto effects = preempt(cause, now);
  if (effects.stop.empty()) return effects;
  record_.paused = std::exchange(record_.preempted, {});
  return effects;
}

/// The record keeps it: a head that comes back must not take the end for a failure.
Effects ExperimentLife::preempt(const std::string& cause, Timestamp /*now*/) {
  Effects effects;
  if (!is_undecided()) return effects;
  outcome_ = Outcome::preempted;
  outcome_cause_ = record_.preempted = cause;
  effects.changed = true;
  stop_others(effects, limits::kill_grace);
  return effects;
}

Effects ExperimentLife::running_limit(Timestamp /*now*/) {
  Effects effects;
  if (!is_undecided()) return effects;
  auto limit = duration_text(record_.spec->limits.running);
  outcome_ = Outcome::failed;
  outcome_cause_ = fmt::format("the running limit of {} was reached", limit);
  outcome_error_ = Error{
      Errc::timed_out, fmt::format("experiment {} ran out of time", to_string(record_.id)),
      outcome_cause_, "raise limits.running (--max-time), or save and resume from checkpoints"};
  stop_others(effects, limits::kill_grace);
  return effects;
}

Effects ExperimentLife::lost_node(const std::string& node, const std::string& cause,
                                  Timestamp heard, Timestamp now) {
  Effects effects;
  if (is_terminal(record_.state) || record_.attempts.empty()) return effects;
  for (auto& record : attempt().jobs) {
    if (record.node != node || is_terminal(record.state)) continue;
    JobUpdate update;
    update.key = JobKey{JobId{record_.id, record.role, record.index}, epoch()};
    update.step = JobStep::ended;
    update.time_us = heard.us;
    update.infrastructure = true;
    update.error =
        Error{Errc::unavailable, fmt::format("job {} was lost", to_string(update.key.job)), cause,
              "it is started again by itself"};
    end_job(update, now, effects);
    if (effects.next != Effects::Next::none) break;
  }
  // The first loss stopped the others, some of which were lost too.
  std::erase_if(effects.stop, [&](uint32_t index) {
    return std::find(effects.released.begin(), effects.released.end(), index) !=
           effects.released.end();
  });
  return effects;
}

}  // namespace troupe::actors
