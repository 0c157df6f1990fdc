#include "actors/head/life.hpp"

#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>

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

constexpr const char* starting_cause = "starting its processes";

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

void note_mounts(JobRecord& job, const std::vector<MountShown>& mounts) {
  job.mounts.clear();
  for (const auto& one : mounts)
    job.mounts.push_back({one.mount, one.method, one.place, one.writable});
}

void note_binding(JobRecord& job, const JobBound& bound) {
  job.binding = {bound.cpus, bound.memory, bound.own, bound.gpus, {}, bound.note};
  for (const auto& rank : bound.ranks)
    if (!rank.nic.empty()) job.binding.nics.push_back(rank.nic);
}

}  // namespace

ExperimentLife::ExperimentLife(ExperimentRecord record) : record_{std::move(record)} {
  if (record_.state == State::killing) {
    outcome_ = Outcome::killed;
    outcome_cause_ = record_.reason;
  } else if (!record_.stopped.empty()) {
    outcome_ = Outcome::stopped;
    outcome_cause_ = record_.stopped;
  } else if (!record_.paused.empty()) {
    outcome_ = Outcome::preempted;
    outcome_cause_ = record_.paused;
  } else if (!record_.preempted.empty()) {
    outcome_ = Outcome::preempted;
    outcome_cause_ = record_.preempted;
  } else if (!record_.attempts.empty() && !attempt().ended) {
    recall_failure();
  }
  if (!record_.attempts.empty() && !attempt().ended) wound_up_ = only_servers_left();
  if (!record_.attempts.empty())
    for (const auto& job : attempt().jobs)
      unseen_ = unseen_ || (is_terminal(job.state) && !job.exit_code && !job.signal);
}

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

uint64_t ExperimentLife::epoch() const {
  return record_.attempts.empty() ? 0 : record_.attempts.back().epoch;
}

JobRecord* ExperimentLife::job(uint32_t index) {
  for (auto& job : attempt().jobs)
    if (job.index == index) return &job;
  return nullptr;
}

void ExperimentLife::become(State to, const std::string& cause, Timestamp now, Effects& effects,
                            const Error* error) {
  auto from = record_.state;
  if (!may_become(from, to)) {
    log::warning("experiment", "{}: {} -> {} refused ({})", to_string(record_.id), to_string(from),
                 to_string(to), cause);
    return;
  }
  record_.state = to;
  record_.reason = cause;
  if (to == State::queued) record_.queued = now;
  if (to == State::running && !record_.started) record_.started = now;
  if (to == State::running && !record_.attempts.empty()) attempt().pace.running = now;
  if (is_terminal(to)) record_.ended = now;
  if (error != nullptr) record_.error = *error;
  effects.events.push_back(
      state_event(record_.id, record_.spec->project, to_string(from), to, cause, now, error));
}

/// Short jobs report their end only: the steps between are made up for, so every record tells the
/// same story.
void ExperimentLife::advance_to(State to, const std::string& cause, Timestamp now,
                                Effects& effects) {
  for (auto step : {State::preparing, State::starting, State::running}) {
    if (step > to) return;
    if (may_become(record_.state, step))
      become(step, step == to ? cause : starting_cause, now, effects);
  }
}

Effects ExperimentLife::place(const std::vector<Place>& places, uint64_t epoch, Timestamp now) {
  uint32_t number = record_.attempts.empty() ? 1 : record_.attempts.back().number + 1;
  return adopt(places, epoch, number, now);
}

Effects ExperimentLife::adopt(const std::vector<Place>& places, uint64_t epoch, uint32_t number,
                              Timestamp now) {
  Effects effects;
  record_.paused.clear();
  record_.preempted.clear();
  AttemptRecord next;
  next.number = number;
  next.epoch = epoch;
  next.state = State::preparing;
  next.started = now;
  std::string nodes;
  for (uint32_t index = 0; index < places.size(); ++index) {
    JobRecord record;
    if (const auto* role = record_.spec->role_at(index)) record.role = role->name;
    record.index = index;
    record.node = places[index].node;
    record.gpus = places[index].gpus;
    record.state = State::preparing;
    next.jobs.push_back(std::move(record));
    if (nodes.find(places[index].node) == std::string::npos)
      nodes += (nodes.empty() ? "" : ", ") + places[index].node;
  }
  record_.attempts.push_back(std::move(next));
  if (record_.attempts.size() > limits::attempts_kept)
    record_.attempts.erase(record_.attempts.begin());
  outcome_ = Outcome::none;
  outcome_error_.reset();
  phase_done_.clear();
  announced_ = 0;
  unseen_ = wound_up_ = false;
  world_note_.clear();
  become(State::preparing, fmt::format("placed on {}", nodes), now, effects);
  return effects;
}

Effects ExperimentLife::update(const JobUpdate& update, Timestamp now) {
  Effects effects;
  if (is_terminal(record_.state) || record_.attempts.empty() || update.key.epoch != epoch())
    return effects;
  auto* record = job(update.key.job.index);
  if (record == nullptr) return effects;
  if (is_terminal(record->state)) {
    // It was given up with its node, which is here again; what it holds may be somebody else's.
    if (update.step != JobStep::ended) effects.stop.push_back(record->index);
    return effects;
  }
  if (update.started_us != 0) record->started = Timestamp{update.started_us};
  if (!update.mounts.empty()) note_mounts(*record, update.mounts);
  const auto& bound = update.bound;
  if (!bound.cpus.empty() || !bound.gpus.empty() || !bound.note.empty())
    note_binding(*record, update.bound);
  note_checkpoints(update, now, effects);
  note_world(update, now, effects);
  note_receipt(update, record->node, now, effects);
  // It goes on although the attempt is over: the order to stop was lost, with a head or on the way.
  if ((outcome_ != Outcome::none || wound_up_) && update.step != JobStep::ended) {
    effects.grace = limits::kill_grace;
    effects.stop.push_back(record->index);
  }
  switch (update.step) {
    case JobStep::preparing:
      break;
    case JobStep::starting:
      record->state = State::starting;
      if (record_.state == State::preparing) become(State::starting, starting_cause, now, effects);
      break;
    case JobStep::running: {
      record->state = State::running;
      bool all = std::all_of(attempt().jobs.begin(), attempt().jobs.end(), [](const JobRecord& j) {
        return j.state == State::running || is_terminal(j.state);
      });
      if (all && outcome_ == Outcome::none)
        advance_to(State::running, "its processes run", now, effects);
      passed(update.key.job.index, update.phase, false, effects);
      break;
    }
    case JobStep::phase_done:  // of the one before the first: prepared, and has done none
      passed(update.key.job.index, update.phase + 1, true, effects);
      break;
    case JobStep::ended:
      end_job(update, now, effects);
      break;
  }
  return effects;
}

/// The job is prepared and has done so many lines. The gang goes on to the line that all have
/// reached; a head that was restarted learns how far each is from what they report.
void ExperimentLife::passed(uint32_t index, uint32_t lines, bool waits, Effects& effects) {
  if (attempt().jobs.size() < 2) return;
  auto& done = phase_done_[index];
  done = std::max(done, lines + 1);
  auto least = least_done();
  // Said again to one that asks again: it may have missed it.
  bool again = waits && least > lines;
  if (outcome_ != Outcome::none || (least <= announced_ && !again)) return;
  announced_ = std::max(announced_, least);
  effects.go_phase = least - 1;
}

/// 1 + the lines that all have done; 0: some have not even been prepared, or nothing is known yet.
uint32_t ExperimentLife::least_done() const {
  auto least = std::numeric_limits<uint32_t>::max();
  for (const auto& job : record_.attempts.back().jobs) {
    if (is_terminal(job.state)) continue;  // it ends well only behind the last line
    auto it = phase_done_.find(job.index);
    least = std::min(least, it == phase_done_.end() ? 0 : it->second);
  }
  return least;
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
  // It was done before it heard that it should make room.
  if (good && !update.stopped && outcome_ == Outcome::preempted && record_.paused.empty() &&
      attempt().jobs.size() == 1) {
    outcome_ = Outcome::none;
    record_.preempted.clear();
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

Effects ExperimentLife::stop(const std::string& cause, Timestamp now) {
  Effects effects;
  (void)now;
  if (is_terminal(record_.state) || outcome_ != Outcome::none || record_.attempts.empty() ||
      all_ended())
    return effects;
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

Effects ExperimentLife::running_limit(Timestamp now) {
  Effects effects;
  if (is_terminal(record_.state) || outcome_ != Outcome::none || record_.attempts.empty() ||
      all_ended())
    return effects;
  (void)now;
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

/// The record keeps it: a head that comes back must not take the end for a failure.
Effects ExperimentLife::preempt(const std::string& cause, Timestamp now) {
  Effects effects;
  (void)now;
  if (is_terminal(record_.state) || outcome_ != Outcome::none || record_.attempts.empty() ||
      all_ended())
    return effects;
  outcome_ = Outcome::preempted;
  outcome_cause_ = record_.preempted = cause;
  effects.changed = true;
  stop_others(effects, limits::kill_grace);
  return effects;
}

void ExperimentLife::metric(const std::string& name, double value) {
  if (record_.metrics.size() >= limits::metric_names_max && !record_.metrics.contains(name)) return;
  record_.metrics.insert_or_assign(name, value);
  if (std::isnan(value)) return;
  auto& [min, max] = record_.extremes.try_emplace(name, Extremes{value, value}).first->second;
  min = std::min(min, value);
  max = std::max(max, value);
}

}  // namespace troupe::actors
