// What a set has used up of its budget, and its end when nothing is left.
#include "actors/head/experiment_set.hpp"
#include "actors/head/held_time.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

// Each look reads the records of all members that live.
constexpr std::chrono::milliseconds look_soonest{50}, look_latest{5000}, look_idle{1000};
// What people see of it need not be newer.
constexpr int64_t write_after_us = 10'000'000;

}  // namespace

void ExperimentSetState::count_spent() {
  if (!record_.sweep.budget) return;
  auto now = context_->clock->now();
  const auto& budget = *record_.sweep.budget;
  if (budget.kind == Budget::Kind::wall) {
    if (record_.started) record_.spent_us = static_cast<uint64_t>(now.us - record_.started.us);
    return;
  }
  auto held = held_;
  for (auto member : live_)
    if (auto record = context_->ledger->experiment({record_.id.top, member}); record && *record)
      held.add(**record, now);
  record_.spent_us = held.of(budget.kind);
}

/// Again when it could be spent at the earliest.
void ExperimentSetState::look_at_budget() {
  if (!record_.sweep.budget || stopping_ || is_terminal(record_.state) || !study_) return;
  const auto& budget = *record_.sweep.budget;
  count_spent();
  if (record_.spent_us >= budget.amount_us) return budget_is_spent();
  auto now = context_->clock->now();
  if (now.us - spent_counted_.us > write_after_us) {
    spent_counted_ = now;
    dirty_ = true;
    save();
  }
  double rate = budget.kind == Budget::Kind::wall ? 1 : 0;
  if (rate == 0)
    for (uint32_t worker = 0; worker < record_.spec->workers.max; ++worker)
      rate += devices_of(budget, *record_.spec, worker) * static_cast<double>(live_.size());
  auto wait = look_idle;
  if (rate > 0 && record_.started) {
    auto left_ms = static_cast<double>(budget.amount_us - record_.spent_us) / rate / 1000;
    wait = std::chrono::milliseconds{
        static_cast<int64_t>(std::min(left_ms, static_cast<double>(look_latest.count())))};
  }
  ++looks_;
  self_->delayed_send(self_, std::max(wait, look_soonest), tick_atom_v, looks_);
}

/// An end as good as any: what runs is stopped and keeps what it has, what waits never starts.
void ExperimentSetState::budget_is_spent() {
  auto reason = fmt::format("the budget of {} is spent", to_string(*record_.sweep.budget));
  study_->stop(reason);
  stopping_ = true;
  copy_study();
  record_.reason = reason;
  search_->keep_from(record_.next - 1);
  for (auto member : live_)
    if (!search_->stopping().contains(member)) search_->dismiss(member, reason);
  note_event("budget", reason);
  dirty_ = true;
  save();
  finish_if_done();
}

}  // namespace troupe::actors
