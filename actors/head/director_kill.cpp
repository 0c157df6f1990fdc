// Whoever asks for an end may mean what has an actor, waits in the queue, is held back or has not
// reported since a restart of the head. Here it is found; what never had an actor ends here, too.
#include "actors/head/asked_set.hpp"
#include "actors/head/commit.hpp"
#include "actors/head/director.hpp"
#include "actors/head/experiment_set.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A full disk may be emptied at any time.
constexpr auto end_again_after = std::chrono::seconds{1};

}  // namespace

caf::typed_response_promise<bool> DirectorState::kill(const std::string& cause, ExperimentId id) {
  auto promise = self_->make_response_promise<bool>();
  if (auto set = sets_.find(id.top); id.is_member() && set != sets_.end() && set->second.asked)
    kill_trial(cause, id, promise);
  else if (auto target = target_of(id))
    pass_kill(*target, cause, id, promise);
  else
    kill_queued(cause, id, promise);
  return promise;
}

auto DirectorState::target_of(ExperimentId id) const -> std::optional<kill_target> {
  if (auto set = sets_.find(id.top); set != sets_.end() && !id.is_member())
    return kill_target{set->second.actor};
  if (auto it = running_.find(id); it != running_.end()) return kill_target{it->second};
  return std::nullopt;
}

/// Asks the actor of an experiment or a set. Where that is gone by then, it has said before why:
/// what has ended needs no kill, and what is to start again is found elsewhere now.
void DirectorState::pass_kill(const kill_target& target, const std::string& cause, ExperimentId id,
                              caf::typed_response_promise<bool> promise) {
  auto answered = [promise](bool done) mutable { promise.deliver(done); };
  auto failed = [this, target, cause, id, promise](caf::error& e) mutable {
    if (e != caf::sec::request_receiver_down)
      promise.deliver(std::move(e));
    else if (auto now = target_of(id); now && *now != target)
      pass_kill(*now, cause, id, promise);
    else if (now)
      promise.deliver(false);
    else
      kill_queued(cause, id, promise);
  };
  self_->request(target, commit_timeout, kill_atom_v, cause).then(answered, failed);
}

void DirectorState::kill_queued(const std::string& cause, ExperimentId id,
                                caf::typed_response_promise<bool> promise) {
  self_->request(peers_.scheduler, limits::request_timeout, unqueue_atom_v, id)
      .then(
          [this, cause, id, promise](bool) mutable {
            // Placements come in order before this answer: an experiment that was not waiting has
            // its actor by now.
            if (auto it = running_.find(id); it != running_.end())
              return pass_kill(it->second, cause, id, promise);
            auto record = context_->ledger->experiment(id);
            if (!record) {
              promise.deliver(to_caf(record.error()));
              return;
            }
            if (auto set = context_->ledger->set(id.top); !id.is_member() && set && *set) {
              promise.deliver(false);  // it has no actor any more: it has ended
              return;
            }
            if (!*record) {
              promise.deliver(to_caf(Error{Errc::not_found,
                                           fmt::format("experiment {} not found", to_string(id)),
                                           "there is none with this id", "troupe ls -a"}));
              return;
            }
            if (is_terminal((**record).state)) {
              promise.deliver(false);
              return;
            }
            if (recovering_.contains(id)) return pass_kill(revive(id), cause, id, promise);
            holds_.erase(id);
            outputs_awaited_.erase(id);
            end_queued(std::move(**record), State::killed, cause, nullptr, promise);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
}

/// Ends an experiment that never had an actor. The promise, where there is one, is answered when
/// that is durable.
void DirectorState::end_queued(ExperimentRecord record, State state, const std::string& cause,
                               const Error* error, caf::typed_response_promise<bool> promise) {
  // A second kill, or a limit that fires meanwhile: the first end is the end.
  auto [on_its_way, first] = ending_.try_emplace(record.id);
  if (promise.pending()) on_its_way->second.push_back(promise);
  if (!first) return;
  auto now = context_->clock->now();
  auto event = state_event(record.id, record.spec->project, to_string(record.state), state, cause,
                           now, error);
  RecordRef before{std::make_shared<const ExperimentRecord>(record)};
  record.state = state;
  record.reason = cause;
  record.ended = now;
  if (error != nullptr) record.error = *error;
  RecordRef shared{std::make_shared<const ExperimentRecord>(std::move(record))};
  std::vector<storage::Mutation> mutations{storage::PutExperiment{shared.value, false},
                                           storage::AppendEvent{event}};
  request_commit(
      self_, peers_.ledger, commit_atom_v, mutations_ref(std::move(mutations)),
      [this, shared](uint64_t) {
        auto promises = std::move(ending_[shared->id]);
        ending_.erase(shared->id);
        ended(shared);
        for (auto& waiting : promises) waiting.deliver(true);
      },
      [this, before, state, cause](caf::error& e) {
        log::error("director", "an end was not recorded: {}", to_string(from_caf(e, "a commit")));
        auto promises = std::move(ending_[before->id]);
        ending_.erase(before->id);
        for (auto& waiting : promises) waiting.deliver(e);
        // It is in no queue any more: it goes back into it, or, where nobody was told that the
        // kill failed, the kill is tried again.
        if (state == State::killed && promises.empty()) kill_again_.emplace(before->id, cause);
        self_->delayed_send(self_, end_again_after, member_atom_v, before);
      });
}

}  // namespace troupe::actors
