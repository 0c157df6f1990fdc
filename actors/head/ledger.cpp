#include "actors/head/ledger.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// What people see of a state change is late by this at most; what it saves is most of the syncs.
constexpr auto commit_spacing = std::chrono::milliseconds{4};
constexpr auto note_again_after = std::chrono::seconds{1};

}  // namespace

ledger_actor::behavior_type LedgerState::make_behavior(HeadContextRef context) {
  context_ = std::move(context);
  commits_ = &context_->metrics->counter("troupe_ledger_commits", "durable commits of the ledger");
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
      [this](note_atom, MutationsRef mutations) {
        waiting_.push_back({std::move(mutations), true, {}});
        flush_soon();
      },
      [this](flush_atom) { flush(); },
      [this](status_atom) {
        return fmt::format("generation {}, event {}", context_->ledger->generation(),
                           context_->ledger->last_event());
      },
  };
}

Result<uint64_t> LedgerState::commit(const std::vector<Waiting*>& group) {
  std::vector<storage::Mutation> all;
  for (auto* waiting : group)
    for (auto& mutation : *waiting->mutations) all.push_back(mutation);
  auto committed = context_->ledger->commit(all);
  if (!committed) return std::move(committed).error();
  commits_->add();
  mutations_->add(all.size());
  return context_->ledger->last_event();
}

void LedgerState::answer(Waiting& waiting, const Result<uint64_t>& committed) {
  if (!waiting.note) {
    if (committed)
      waiting.promise.deliver(*committed);
    else
      waiting.promise.deliver(to_caf(committed.error()));
    return;
  }
  if (committed) return;
  // A note is kept until it fits, but only its events: the record of a later commit may be durable
  // before it, and must not be replaced by an older one.
  std::erase_if(*waiting.mutations,
                [](const auto& m) { return !std::holds_alternative<storage::AppendEvent>(m); });
  if (!waiting.mutations->empty()) waiting_.push_back(std::move(waiting));
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

void LedgerState::flush() {
  flush_sent_ = flush_timed_ = false;
  if (waiting_.empty()) return;
  std::vector<Waiting> group;
  group.swap(waiting_);
  std::vector<Waiting*> pointers;
  for (auto& waiting : group) pointers.push_back(&waiting);
  auto committed = commit(pointers);
  if (!committed) log::error("ledger", "commit failed: {}", to_string(committed.error()));
  for (auto& waiting : group) {
    // One of them may be at fault, or the rest may fit: each gets its own try and its own answer.
    if (!committed && group.size() > 1)
      answer(waiting, commit({&waiting}));
    else
      answer(waiting, committed);
  }
  last_flush_ = context_->clock->monotonic();
  if (!waiting_.empty()) self_->delayed_send(self_, note_again_after, flush_atom_v);
  if (context_->on_events) context_->on_events(context_->ledger->last_event());
}

ledger_actor::behavior_type ledger_behavior(ledger_actor::stateful_pointer<LedgerState> self,
                                            HeadContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
