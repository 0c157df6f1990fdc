#include "actors/head/life.hpp"

#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::actors {

namespace {

constexpr const char* starting_cause = "starting its processes";

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
  bool begins = to == State::preparing || to == State::starting || to == State::running;
  if (begins && !record_.attempts.empty()) attempt().state = to;
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

void ExperimentLife::metric(const std::string& name, double value) {
  if (record_.metrics.size() >= limits::metric_names_max && !record_.metrics.contains(name)) return;
  record_.metrics.insert_or_assign(name, value);
  if (std::isnan(value)) return;
  auto& [min, max] = record_.extremes.try_emplace(name, Extremes{value, value}).first->second;
  min = std::min(min, value);
  max = std::max(max, value);
}

}  // namespace troupe::actors
