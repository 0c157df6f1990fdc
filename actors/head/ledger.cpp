#include "actors/head/ledger.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>

namespace troupe::actors {

namespace {

// What people see of a state change is late by this at most; what it saves is most of the syncs.
constexpr auto commit_spacing = std::chrono::milliseconds{4};
constexpr auto note_again_after = std::chrono::seconds{1};

/// The experiment or set whose record they change; 0 where they change none.
ExperimentId subject_of(const std::vector<storage::Mutation>& mutations) {
  for (const auto& mutation : mutations) {
    if (const auto* put = std::get_if<storage::PutExperiment>(&mutation)) return put->record->id;
    if (const auto* put = std::get_if<storage::PutSet>(&mutation)) return put->record->id;
  }
  return {};
}

}  // namespace

ledger_actor::behavior_type LedgerState::make_behavior(HeadContextRef context) {
  context_ = std::move(context);
  commits_ = &context_->metrics->counter("troupe_ledger_commits", "durable commits of the ledger");
  self_->set_exit_handler([this](caf::exit_msg& message) { leave(message.reason); });
  mutations_ =
      &context_->metrics->counter("troupe_ledger_mutations", "changes written to the ledger");
  return {
      [this](commit_atom, MutationsRef mutations) {
        auto promise = self_->make_response_promise<uint64_t>();
        // Requests that arrive while a commit syncs lie behind this message in the mailbox, so they
        // are all in the group by the time it is handled: the group is as large as the disk is
        // slow.
        if (!std::exchange(flush_sent_, true)) self_->send(self_, flush_atom_v);
        waiting_.push_back({std::move(mutations), false, promise});
        return promise;
      },
      [this](later_atom, MutationsRef mutations) {
        auto promise = self_->make_response_promise<uint64_t>();
        waiting_.push_back({std::move(mutations), false, promise});
        flush_soon();
        return promise;
      },
      [this](note_atom) { flush_soon(); },
      [this](flush_atom) { flush(); },
      [this](status_atom) {
        return fmt::format("generation {}, event {}", context_->ledger->generation(),
                           context_->ledger->last_event());
      },
  };
}

/// In their order, but of an experiment's records the last alone: its steps are events, and nobody
/// sees the rows between.
std::vector<storage::Mutation> LedgerState::changes_of(const std::vector<Waiting*>& group) {
  std::vector<storage::Mutation> changes;
  std::set<ExperimentId> later;
  for (auto waiting = group.rbegin(); waiting != group.rend(); ++waiting) {
    const auto& list = (*waiting)->mutations->list;
    for (auto change = list.rbegin(); change != list.rend(); ++change) {
      const auto* put = std::get_if<storage::PutExperiment>(&*change);
      if (put == nullptr || later.insert(put->record->id).second || put->is_new)
        changes.push_back(*change);
    }
  }
  std::reverse(changes.begin(), changes.end());
  return changes;
}

Result<uint64_t> LedgerState::commit(const std::vector<Waiting*>& group) {
  auto all = changes_of(group);
  auto committed = context_->commit ? context_->commit(all) : context_->ledger->commit(all);
  if (!committed) return std::move(committed).error();
  commits_->add();
  mutations_->add(all.size());
  auto newest = context_->ledger->last_event();
  for (auto* waiting : group)
    if (!waiting->mutations->written) waiting->mutations->written = newest;
  return newest;
}

void LedgerState::answer(Waiting& waiting, const Result<uint64_t>& committed) {
  if (waiting.note) {
    if (!committed) waiting_.push_back(std::move(waiting));  // kept until it fits
  } else if (committed) {
    waiting.promise.deliver(*waiting.mutations->written);
  } else {
    waiting.promise.deliver(to_caf(committed.error()));
  }
}

/// One of the group may be at fault, or the rest may fit: each gets its own try and its own answer.
/// What is known of one experiment keeps its order: notes of it that did not fit go with the next
/// that tries, or that one fails too.
void LedgerState::settle_apart(std::vector<Waiting>& group) {
  std::map<ExperimentId, std::vector<Waiting*>> held;
  for (auto& waiting : group) {
    auto id = subject_of(waiting.mutations->list);
    auto together = held[id];
    together.push_back(&waiting);
    auto committed = commit(together);
    if (committed)
      held.erase(id);
    else if (waiting.note)
      held[id].push_back(&waiting);
    if (!waiting.note) answer(waiting, committed);
  }
  for (auto& waiting : group)
    if (waiting.note && !waiting.mutations->written) waiting_.push_back(std::move(waiting));
}

/// At once where the ledger was at rest; under load what comes within `commit_spacing` goes
/// together.
void LedgerState::flush_soon() {
  if (flush_sent_ || flush_timed_) return;
  auto rest = last_flush_ + commit_spacing - context_->clock->monotonic();
  if (rest.count() <= 0) {
    flush_sent_ = true;
    self_->send(self_, flush_atom_v);
  } else {
    flush_timed_ = true;
    self_->delayed_send(self_, rest, flush_atom_v);
  }
}

/// Notes first, in their order: whoever waits for a change has noted the steps before it.
std::vector<LedgerState::Waiting> LedgerState::gather() {
  auto group = std::exchange(waiting_, {});
  auto rest = std::stable_partition(group.begin(), group.end(),
                                    [](const Waiting& waiting) { return waiting.note; });
  std::vector<Waiting> fresh;
  for (auto& note : context_->notes->take()) fresh.push_back({std::move(note), true, {}});
  group.insert(rest, std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()));
  return group;
}

/// When a write of its roots fails, LMDB serves nothing any more, reads included, until it is
/// opened anew; only a new process does that with certainty about what is on the disk.
void LedgerState::end_if_unusable() const {
  auto read = context_->ledger->meta("unusable");
  if (read || read.error().code != Errc::corrupt) return;
  log::error("ledger", "the head ends, to be started again: {}", to_string(read.error()));
  constexpr int failed = 1;
  std::_Exit(failed);  // an orderly end would write
}

void LedgerState::flush() {
  flush_sent_ = flush_timed_ = false;
  auto group = gather();
  if (group.empty()) return;
  std::vector<Waiting*> pointers;
  for (auto& waiting : group) pointers.push_back(&waiting);
  auto committed = commit(pointers);
  if (!committed) {
    log::error("ledger", "commit failed: {}", to_string(committed.error()));
    end_if_unusable();
  }
  if (!committed && group.size() > 1)
    settle_apart(group);
  else
    for (auto& waiting : group) answer(waiting, committed);
  last_flush_ = context_->clock->monotonic();
  if (!waiting_.empty()) self_->delayed_send(self_, note_again_after, flush_atom_v);
  if (context_->on_events) context_->on_events(context_->ledger->last_event());
}

/// What waits is written, and whoever waits for it answered; what is still in the mailbox the
/// actor system refuses.
void LedgerState::leave(const caf::error& reason) {
  flush();
  if (!waiting_.empty())
    log::error("ledger", "{} state changes were not recorded before the end", waiting_.size());
  self_->quit(reason);
}

ledger_actor::behavior_type ledger_behavior(ledger_actor::stateful_pointer<LedgerState> self,
                                            HeadContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
