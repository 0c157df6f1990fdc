// What becomes of an attempt: its jobs end one after the other, the first that does not end well
// says how the attempt ends, and with the last the experiment has ended too or is QUEUED again.
#include "actors/head/life.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>

namespace troupe::actors {

namespace {

std::string signal_text(int32_t number) {
  const char* name = ::sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

std::string exit_text(const JobUpdate& update) {
  if (update.signal != 0) return signal_text(update.signal);
  return fmt::format("exit {}", update.exit_code);
}

/// The first loss is mostly chance, such as a node that died: the experiment goes on at once. What
/// is lost again and again meets something broken, such as a node that can start nothing: it must
/// not spin, and the pauses together give a node almost half a minute to come back.
Duration restart_backoff(uint32_t restarts) {
  constexpr Duration first{2'000}, longest{10'000};
  Duration pause{0};
  for (uint32_t i = 1; i < restarts; ++i) pause = std::min(std::max(first, pause * 2), longest);
  return pause;
}

/// Codes of a job that could not be prepared for a reason that another start does not change.
bool is_own(Errc code) {
  return code == Errc::failed || code == Errc::exhausted || code == Errc::invalid ||
         code == Errc::corrupt;
}

}  // namespace

/// One job of the attempt had failed before the head was restarted: the attempt has failed, however
/// its other jobs end.
void ExperimentLife::recall_failure() {
  // Only a watchdog gives an attempt its error before the first of its jobs ends.
  if (attempt().error && attempt().error->code == Errc::timed_out) {
    outcome_ = Outcome::stalled;
    outcome_error_ = attempt().error;
    outcome_cause_ = outcome_error_->what;
    return;
  }
  for (const auto& job : attempt().jobs) {
    if (job.state != State::failed) continue;
    outcome_error_ = attempt().error;
    bool own = outcome_error_ ? is_own(outcome_error_->code) : job.exit_code || job.signal;
    outcome_ = own ? Outcome::failed : Outcome::infrastructure;
    if (job.signal)
      outcome_cause_ = signal_text(*job.signal);
    else if (job.exit_code)
      outcome_cause_ = fmt::format("exit {}", *job.exit_code);
    else
      outcome_cause_ = outcome_error_ ? outcome_error_->what : "one of its jobs was lost";
    return;
  }
}

Error ExperimentLife::job_error(const JobUpdate& update) const {
  if (!update.error.what.empty()) return update.error;
  auto name = to_string(update.key.job);
  std::string hint = fmt::format("troupe logs {}", to_string(record_.id));
  if (update.stopped)
    return Error{Errc::unavailable, fmt::format("job {} was stopped", name),
                 "the head that asked for it has been restarted", "it is started again by itself"};
  if (update.signal != 0)
    return Error{
        Errc::failed, fmt::format("job {} was ended by {}", name, signal_text(update.signal)),
        update.signal == SIGKILL ? "nobody here asked for it: out of memory, or a kill from outside"
                                 : "",
        hint};
  std::string detail;
  if (update.exit_code == 127) detail = "127 is what a shell says when a command does not exist";
  if (update.exit_code == 126)
    detail = "126 is what a shell says when a command may not be executed";
  return Error{Errc::failed, fmt::format("job {} ended with exit code {}", name, update.exit_code),
               detail, hint};
}

void ExperimentLife::end_job(const JobUpdate& update, Timestamp now, Effects& effects) {
  auto* record = job(update.key.job.index);
  // Stopped, and nobody here asked for it: a head that is gone did. It may have left work undone.
  bool orphaned = update.stopped && outcome_ == Outcome::none;
  bool good = !orphaned && update.has_exit && update.exit_code == 0 && update.signal == 0 &&
              update.error.what.empty();
  // It served to the end, however it takes being told so.
  good = good || (wound_up_ && outcome_ == Outcome::none);
  // It was done before it heard that it should make room, or wait for its turn.
  if (good && !update.stopped && outcome_ == Outcome::preempted && attempt().jobs.size() == 1) {
    outcome_ = Outcome::none;
    record_.preempted.clear();
    record_.paused.clear();
  }
  record->ended = Timestamp{update.time_us};
  unseen_ = unseen_ || (update.infrastructure && !update.has_exit);
  if (update.has_exit) {
    if (update.signal != 0)
      record->signal = update.signal;
    else
      record->exit_code = update.exit_code;
  }
  effects.released.push_back(record->index);
  if (good) {
    record->state = State::finished;
    // A job that ends well before it was seen running did run.
    if (outcome_ == Outcome::none && all_ended()) {
      advance_to(State::running, "its processes ran", now, effects);
    } else if (auto least = least_done(); outcome_ == Outcome::none && least > announced_) {
      // After a restart of the head: the others wait for a line that this one had done before.
      announced_ = least;
      effects.go_phase = least - 1;
    }
    if (outcome_ == Outcome::none && !wound_up_ && !all_ended() && only_servers_left()) {
      wound_up_ = true;
      stop_others(effects, limits::kill_grace);
    }
  } else {
    bool asked = outcome_ == Outcome::killed || outcome_ == Outcome::preempted ||
                 outcome_ == Outcome::stopped;
    record->state = asked ? State::killed : State::failed;
    if (outcome_ == Outcome::none) {
      outcome_ = update.infrastructure || orphaned ? Outcome::infrastructure : Outcome::failed;
      outcome_error_ = job_error(update);
      outcome_cause_ =
          update.error.what.empty() && !orphaned ? exit_text(update) : outcome_error_->what;
      attempt().error = outcome_error_;
      note_failure(record->ended, now);
      if (update.infrastructure)
        effects.blamed.emplace_back(record->node, outcome_error_->detail.empty()
                                                      ? outcome_error_->what
                                                      : outcome_error_->detail);
      if (update.has_exit) {
        record_.exit_code = update.signal != 0 ? 128 + update.signal : update.exit_code;
        advance_to(State::running, "its processes ran", now, effects);
      }
      stop_others(effects, limits::kill_grace);
    }
  }
  if (all_ended()) settle(now, effects);
}

void ExperimentLife::stop_others(Effects& effects, Duration grace) {
  effects.grace = grace;
  for (const auto& job : attempt().jobs)
    if (!is_terminal(job.state)) effects.stop.push_back(job.index);
}

bool ExperimentLife::all_ended() const {
  const auto& jobs = record_.attempts.back().jobs;
  return std::all_of(jobs.begin(), jobs.end(),
                     [](const JobRecord& job) { return is_terminal(job.state); });
}

/// An attempt runs, and nothing has decided yet how it ends.
bool ExperimentLife::is_undecided() const {
  return !is_terminal(record_.state) && outcome_ == Outcome::none && !record_.attempts.empty() &&
         !all_ended();
}

/// Parameter servers never end by themselves.
bool ExperimentLife::only_servers_left() const {
  const auto& jobs = record_.attempts.back().jobs;
  auto is_server = [](const JobRecord& job) { return job.role == "ps"; };
  return std::any_of(jobs.begin(), jobs.end(), is_server) &&
         std::all_of(jobs.begin(), jobs.end(), [&](const JobRecord& job) {
           return is_server(job) || job.state == State::finished;
         });
}

void ExperimentLife::finish_attempt(State state, Timestamp now) {
  attempt().state = state;
  attempt().ended = now;
  attempt().error = outcome_error_;
}

void ExperimentLife::settle(Timestamp now, Effects& effects) {
  record_.error.reset();  // that it stood still for a while
  switch (outcome_) {
    case Outcome::none:
      record_.exit_code = 0;
      finish_attempt(State::finished, now);
      become(State::finished, world_note_.empty() ? "exit 0" : "exit 0; " + world_note_, now,
             effects);
      effects.next = Effects::Next::ended;
      break;
    case Outcome::killed:
      finish_attempt(State::killed, now);
      become(State::killed, outcome_cause_, now, effects);
      effects.next = Effects::Next::ended;
      break;
    case Outcome::stopped:
      finish_attempt(State::finished, now);
      advance_to(State::running, "its processes ran", now, effects);
      become(State::finished, outcome_cause_, now, effects);
      effects.next = Effects::Next::ended;
      break;
    case Outcome::preempted:
      requeue(State::preempted, outcome_cause_, now, effects);
      break;
    case Outcome::infrastructure:
    case Outcome::failed:
      settle_failed(now, effects);
      break;
    case Outcome::stalled:
      settle_stalled(now, effects);
      break;
  }
}

void ExperimentLife::settle_failed(Timestamp now, Effects& effects) {
  bool infrastructure = outcome_ == Outcome::infrastructure;
  if (infrastructure && now.us - attempt().started.us >= steady_us) record_.restarts = 0;
  auto& spent = infrastructure ? record_.restarts : record_.failures;
  auto allowed = infrastructure ? infrastructure_restarts_max : record_.spec->retry.count;
  if (spent++ < allowed) {
    effects.backoff = infrastructure ? restart_backoff(spent) : record_.spec->retry.backoff;
    auto cause = infrastructure ? outcome_cause_
                                : fmt::format("{}; retry {} of {}", outcome_cause_, spent, allowed);
    // The attempt's own state says of which kind the failure was.
    finish_attempt(infrastructure ? State::restarting : State::failed, now);
    return start_again(cause, now, effects);
  }
  finish_attempt(State::failed, now);
  become(State::failed, outcome_cause_, now, effects, outcome_error_ ? &*outcome_error_ : nullptr);
  effects.next = Effects::Next::ended;
}

void ExperimentLife::start_again(const std::string& cause, Timestamp now, Effects& effects) {
  become(State::restarting, cause, now, effects, outcome_error_ ? &*outcome_error_ : nullptr);
  become(State::queued, cause, now, effects);
  record_.error.reset();
  effects.next = Effects::Next::requeue;
  effects.awaits_lease = record_.spec->exclusive && unseen_;
}

void ExperimentLife::requeue(State through, const std::string& cause, Timestamp now,
                             Effects& effects) {
  finish_attempt(through, now);
  become(through, cause, now, effects);
  become(State::queued, cause, now, effects);
  effects.next = Effects::Next::requeue;
  effects.awaits_lease = record_.spec->exclusive && unseen_;
}

}  // namespace troupe::actors
