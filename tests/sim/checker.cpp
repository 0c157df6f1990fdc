#include "tests/sim/checker.hpp"

#include "actors/head/orders.hpp"
#include "tests/sim/jobs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::sim {

void Checker::fail(const std::string& what) {
  world_.trace([&] { return "BROKEN: " + what; });
  failures_.push_back(
      fmt::format("at {:.6f} s: {}", static_cast<double>(world_.now().count()) / 1e9, what));
}

void Checker::committed(std::span<const storage::Mutation> mutations,
                        const storage::Committed& range, const storage::SeriesStore& series) {
  std::set<ExperimentId> touched;
  uint64_t events = 0;
  for (const auto& mutation : mutations) {
    if (const auto* experiment = std::get_if<storage::PutExperiment>(&mutation)) {
      put(*experiment, series);
      touched.insert(experiment->record->id);
    } else if (const auto* set = std::get_if<storage::PutSet>(&mutation)) {
      put(*set);
    } else if (const auto* key = std::get_if<storage::PutKey>(&mutation)) {
      put(*key);
    } else if (const auto* append = std::get_if<storage::AppendEvent>(&mutation)) {
      event(append->event);
      ++events;
    }
  }
  if (events > 0 &&
      (range.first_event != last_event_ + 1 || range.last_event != last_event_ + events))
    fail(fmt::format("events {}..{} after {}, of {} new", range.first_event, range.last_event,
                     last_event_, events));
  if (events > 0) last_event_ = range.last_event;
  for (auto id : touched)
    if (states_[to_string(id)] != experiments_[id].state)
      fail(fmt::format("{} is {} by its record, {} by its events", to_string(id),
                       to_string(experiments_[id].state), to_string(states_[to_string(id)])));
}

void Checker::put(const storage::PutExperiment& change, const storage::SeriesStore& series) {
  const auto& record = *change.record;
  auto known = experiments_.find(record.id);
  if (change.is_new != (known == experiments_.end()))
    fail(fmt::format("{} was {}", to_string(record.id),
                     change.is_new ? "made a second time" : "changed before it was made"));
  if (known != experiments_.end()) {
    if (is_terminal(known->second.state) && known->second.state != record.state)
      fail(fmt::format("{} was {} and is {}", to_string(record.id), to_string(known->second.state),
                       to_string(record.state)));
    check_attempts(known->second, record);
  }
  bool ends = is_terminal(record.state) &&
              (known == experiments_.end() || !is_terminal(known->second.state));
  experiments_.insert_or_assign(record.id, record);
  if (ends) check_truth(record, series);
  check_ended_jobs(record, series);
}

/// One at a time, in order.
void Checker::check_attempts(const ExperimentRecord& before, const ExperimentRecord& now) {
  if (before.attempts.empty() || now.attempts.empty()) {
    if (now.attempts.size() < before.attempts.size())
      fail(to_string(now.id) + " lost its attempts");
    return;
  }
  const auto& old = before.attempts.back();
  const auto& fresh = now.attempts.back();
  if (fresh.number == old.number && fresh.epoch == old.epoch) return;
  if (fresh.number != old.number + 1 || fresh.epoch <= old.epoch)
    fail(fmt::format("{}: attempt {} (epoch {:x}) after attempt {} (epoch {:x})", to_string(now.id),
                     fresh.number, fresh.epoch, old.number, old.epoch));
  for (const auto& attempt : now.attempts) {
    if (attempt.number != old.number) continue;
    bool over =
        attempt.ended && std::all_of(attempt.jobs.begin(), attempt.jobs.end(),
                                     [](const JobRecord& job) { return is_terminal(job.state); });
    if (!over)
      fail(fmt::format("{}: attempt {} began before attempt {} had ended", to_string(now.id),
                       fresh.number, attempt.number));
  }
}

/// What is recorded as a result did happen, in this attempt and no other.
void Checker::check_truth(const ExperimentRecord& record, const storage::SeriesStore& series) {
  auto name = to_string(record.id);
  if (record.state == State::finished) {
    const auto& attempt = record.attempts.back();
    auto phases = record.spec->setup.size() + record.spec->run.size();
    for (const auto& job : attempt.jobs)
      for (uint32_t phase = 0; phase < phases; ++phase) {
        auto key = JobKey{JobId{record.id, job.role, job.index}, attempt.epoch};
        auto run = runs_.find({key, phase});
        if (run == runs_.end() || run->second.running || !run->second.good)
          fail(fmt::format("{} is FINISHED; job {} of attempt {} {} line {}", name, job.index,
                           attempt.number,
                           run == runs_.end()    ? "never ran"
                           : run->second.running ? "still runs"
                                                 : "did not end well in",
                           phase));
      }
    check_points(record, series);
  }
  if (record.state == State::failed && record.exit_code) {
    bool any = std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
      return run.first.first.job.experiment == record.id && run.second.code == *record.exit_code;
    });
    if (!any) fail(fmt::format("{} failed with exit code {}: none did", name, *record.exit_code));
  }
}

/// Who learns of the end finds every point of the attempt, once.
void Checker::check_points(const ExperimentRecord& record, const storage::SeriesStore& series) {
  for (const auto& job : record.attempts.back().jobs) check_points(record, job, series);
}

void Checker::check_points(const ExperimentRecord& record, const JobRecord& job,
                           const storage::SeriesStore& series) {
  auto script = JobScript::of(record.spec->run.back().argv);
  const auto& attempt = record.attempts.back();
  std::map<double, int> seen;
  auto points = series.read(record.id, fmt::format("m{}", job.index), 100000);
  if (points)
    for (const auto& point : *points) ++seen[point.value];
  for (uint32_t line = 0; line < script.metrics; ++line) {
    auto times = seen[metric_value(attempt.number, line)];
    if (times != 1)
      fail(fmt::format("{}: point {} of job {}, attempt {} is stored {} times",
                       to_string(record.id), line, job.index, attempt.number, times));
  }
}

/// Jobs of a gang end one by one. Of one that has ended no head asks again.
void Checker::check_ended_jobs(const ExperimentRecord& record, const storage::SeriesStore& series) {
  if (record.attempts.empty() || is_terminal(record.state)) return;
  const auto& attempt = record.attempts.back();
  auto last = static_cast<uint32_t>(record.spec->setup.size() + record.spec->run.size() - 1);
  for (const auto& job : attempt.jobs) {
    auto run = runs_.find({JobKey{JobId{record.id, job.role, job.index}, attempt.epoch}, last});
    if (job.state == State::finished && run != runs_.end() && run->second.whole)
      check_points(record, job, series);
  }
}

void Checker::put(const storage::PutSet& change) {
  const auto& record = *change.record;
  auto known = sets_.find(record.id.top);
  if (known != sets_.end() && is_terminal(known->second.state) &&
      known->second.state != record.state)
    fail(fmt::format("set {} was {} and is {}", to_string(record.id),
                     to_string(known->second.state), to_string(record.state)));
  if (is_terminal(record.state) && record.finished + record.failed + record.killed > record.size)
    fail(fmt::format("set {} counts more ends than members", to_string(record.id)));
  sets_.insert_or_assign(record.id.top, record);
}

void Checker::put(const storage::PutKey& put) {
  auto [known, fresh] = keys_.try_emplace({put.user, put.key}, put);
  if (!fresh)
    fail(fmt::format("key {} stands for {} and {}", put.key, to_string(known->second.id),
                     to_string(put.id)));
}

void Checker::event(const Event& event) {
  if (event.kind != "state") return;
  auto to = state_from_string(event.to);
  auto from = state_from_string(event.from);
  auto known = states_.find(event.subject);
  bool begins = event.from.empty() && known == states_.end() && to == State::queued;
  // A set may pass over states that its members were in; an end is an end all the same.
  auto id = parse_experiment_id(event.subject);
  bool is_set = id && !id->is_member() && sets_.contains(id->top);
  bool goes_on = to && from && known != states_.end() && known->second == *from &&
                 (is_set ? !is_terminal(*from) : may_become(*from, *to));
  if (!to || (!begins && !goes_on))
    fail(fmt::format("{}: {} -> {} ({}); it was {}", event.subject, event.from, event.to,
                     event.cause, known == states_.end() ? "nothing" : to_string(known->second)));
  if (to) states_[event.subject] = *to;
}

void Checker::head_started(const storage::Ledger& ledger) {
  head_up_ = true;
  generation_ = ledger.generation();
  adopting_until_ = world_.now() + unsettled;
  if (ledger.last_event() != last_event_)
    fail(fmt::format("the newest event is {} after a restart, {} before", ledger.last_event(),
                     last_event_));
  for (const auto& promised : promised_) check_promise(promised, ledger);
  for (const auto& [id, record] : experiments_) {
    auto kept = ledger.experiment(id);
    if (!kept || !*kept || (**kept).state != record.state || (**kept).attempts != record.attempts)
      fail(fmt::format("{} is not what it was before the restart", to_string(id)));
  }
}

void Checker::submitted(const Submission& submission, const api::Submitted& answer,
                        const storage::Ledger& ledger) {
  promised_.push_back({submission, answer});
  check_promise(promised_.back(), ledger);
}

void Checker::check_promise(const Promised& promised, const storage::Ledger& ledger) {
  const auto& [submission, answer] = promised;
  auto id = ExperimentId{answer.id};
  auto entry = ledger.find(id);
  bool there = entry && *entry;
  bool same = there && std::visit(
                           [&](const auto& record) {
                             return record.spec && record.spec->name == submission.experiment.name;
                           },
                           **entry);
  if (!same)
    fail(fmt::format("{} was acknowledged as {}, which is {}", submission.experiment.name,
                     to_string(id), there ? "another" : "not there"));
  auto key = ledger.idempotent("ada", submission.key);
  if (!key || !*key || (**key).id != id)
    fail(fmt::format("the key of {} was lost", submission.experiment.name));
}

void Checker::killed(ExperimentId id, const storage::Ledger& ledger) {
  auto entry = ledger.find(id);
  if (!entry || !*entry) return fail("a kill of nothing was acknowledged");
  auto state = std::visit([](const auto& record) { return record.state; }, **entry);
  if (state == State::killing) to_be_killed_.insert(id);
  if (state != State::killing && !is_terminal(state))
    fail(fmt::format("the kill of {} was acknowledged; it is {}", to_string(id), to_string(state)));
}

}  // namespace troupe::sim
