// What sets and people want of members while their set runs.
#include "actors/head/commit.hpp"
#include "actors/head/director.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A full disk may be emptied at any time.
constexpr auto unpark_again_after = std::chrono::seconds{1};

}  // namespace

std::shared_ptr<const Followed> DirectorState::followed_of(const SweepSpec& sweep) {
  if (!sweep.metric || !sweep.early_stop.is_map()) return nullptr;
  auto rule = hpo::read_early_stop(sweep.early_stop);
  if (!rule) return nullptr;
  return std::make_shared<const Followed>(Followed{sweep.metric->name, std::move(rule->resource)});
}

void DirectorState::stop(const std::string& cause, ExperimentId id) {
  if (auto it = running_.find(id); it != running_.end())
    self_->send(it->second, stop_atom_v, cause);
  else if (recovering_.contains(id))
    self_->send(revive(id), stop_atom_v, cause);
  else
    stop_queued(cause, id);
}

/// What never ran is SKIPPED; what ran, and waited for its next attempt, has what it has.
void DirectorState::stop_queued(const std::string& cause, ExperimentId id) {
  self_->request(peers_.scheduler, limits::request_timeout, unqueue_atom_v, id)
      .then(
          [this, cause, id](bool) {
            // Placements come in order before this answer.
            if (running_.contains(id)) return stop(cause, id);
            auto record = context_->ledger->experiment(id);
            if (!record || !*record || is_terminal((**record).state)) return;
            holds_.erase(id);
            outputs_awaited_.erase(id);
            leases_awaited_.erase(id);
            bool ran = !(**record).attempts.empty();
            if (ran) (**record).stopped = cause;
            (**record).paused.clear();
            end_queued(std::move(**record), ran ? State::finished : State::skipped, cause, nullptr,
                       {});
          },
          [this, cause, id](caf::error&) { self_->send(self_, stop_atom_v, cause, id); });
}

/// One that waits for another attempt is paused when it reports again: its set says so again.
void DirectorState::pause(const std::string& cause, ExperimentId id) {
  if (auto it = running_.find(id); it != running_.end())
    self_->send(it->second, pause_atom_v, cause);
  else if (recovering_.contains(id))
    self_->send(revive(id), pause_atom_v, cause);
}

/// Whether its set lets it wait: then it is in no queue, and its set knows that its place is free.
bool DirectorState::park(const ExperimentRecord& record) {
  auto set = sets_.find(record.id.top);
  if (record.paused.empty() || set == sets_.end()) return false;
  self_->send(set->second.actor, pause_atom_v, record.id);
  return true;
}

void DirectorState::unpark(ExperimentId id) {
  auto record = context_->ledger->experiment(id);
  if (!record || !*record || (**record).state != State::queued || (**record).paused.empty() ||
      ending_.contains(id))
    return;
  auto now = std::move(**record);
  now.paused.clear();
  now.reason = "its turn has come";
  now.queued = context_->clock->now();
  RecordRef shared{std::make_shared<const ExperimentRecord>(std::move(now))};
  request_commit(
      self_, peers_.ledger, commit_atom_v,
      mutations_ref({storage::PutExperiment{shared.value, false}}),
      [this, shared](uint64_t) {
        auto kept = context_->ledger->experiment(shared->id);
        if (kept && *kept && (**kept).state == State::queued) queue(**kept);
      },
      [this, id](caf::error&) {
        self_->delayed_send(self_, unpark_again_after, resume_atom_v, id);
      });
}

caf::typed_response_promise<bool> DirectorState::change_set(const std::string& user, uint64_t top,
                                                            const SetChangeRef& wanted) {
  auto promise = self_->make_response_promise<bool>();
  auto set = sets_.find(top);
  auto gone = [top] {
    return to_caf(Error{Errc::conflict, fmt::format("set {} cannot be changed", top),
                        "it has ended", fmt::format("troupe show {}", top)});
  };
  if (set == sets_.end()) {
    promise.deliver(gone());
    return promise;
  }
  self_->request(set->second.actor, commit_timeout, change_atom_v, user, wanted)
      .then(
          [this, promise, top](bool done) mutable {
            follow_anew(top);
            promise.deliver(done);
          },
          [promise, gone](caf::error& e) mutable {
            if (e == caf::sec::request_receiver_down)
              promise.deliver(gone());
            else
              promise.deliver(std::move(e));
          });
  return promise;
}

/// Its rule may look at something else now; members that run hear of it.
void DirectorState::follow_anew(uint64_t top) {
  auto set = sets_.find(top);
  auto record = context_->ledger->set(top);
  if (set == sets_.end() || !record || !*record) return;
  set->second.followed = followed_of((**record).sweep);
  self_->send(peers_.scheduler, range_atom_v, top, (**record).sweep.concurrency_sure.value_or(0));
  for (const auto& [id, actor] : running_)
    if (id.top == top && id.is_member())
      self_->send(actor, change_atom_v, FollowedRef{set->second.followed});
}

}  // namespace troupe::actors
