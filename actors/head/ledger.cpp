#include "actors/head/ledger.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

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
        if (waiting_.empty()) self_->send(self_, flush_atom_v);
        waiting_.push_back({std::move(mutations), promise});
        return promise;
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

void LedgerState::flush() {
  std::vector<Waiting> group;
  group.swap(waiting_);
  std::vector<Waiting*> pointers;
  for (auto& waiting : group) pointers.push_back(&waiting);
  auto committed = commit(pointers);
  if (!committed && group.size() > 1) {
    // One of them may be at fault, or the rest may fit: each gets its own answer.
    for (auto& waiting : group) {
      auto alone = commit({&waiting});
      if (alone)
        waiting.promise.deliver(*alone);
      else
        waiting.promise.deliver(to_caf(alone.error()));
    }
  } else {
    if (!committed) log::error("ledger", "commit failed: {}", to_string(committed.error()));
    for (auto& waiting : group) {
      if (committed)
        waiting.promise.deliver(*committed);
      else
        waiting.promise.deliver(to_caf(committed.error()));
    }
  }
  if (context_->on_events) context_->on_events(context_->ledger->last_event());
}

ledger_actor::behavior_type ledger_behavior(ledger_actor::stateful_pointer<LedgerState> self,
                                            HeadContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
