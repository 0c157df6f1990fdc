#include "actors/head/director.hpp"

#include "actors/head/asked_set.hpp"
#include "actors/head/experiment_set.hpp"

#include <fmt/format.h>

namespace troupe::actors {

director_actor::behavior_type DirectorState::make_behavior(HeadContextRef context,
                                                           DirectorPeers peers) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  next_top_ = context_->ledger->next_top();
  self_->set_exit_handler([this](caf::exit_msg& message) { leave(message.reason); });
  recover();
  return {
      [this](submit_atom, const SubmitRef& batch) { return submit(batch); },
      [this](kill_atom, const std::string& cause, ExperimentId id) { return kill(cause, id); },
      [this](member_atom, const RecordRef& record) {
        auto adopted = running_.find(record->id);
        if (adopted == running_.end()) {
          if (!leases_awaited_.contains(record->id)) queue(*record);
        } else if (auto killed = kill_again_.extract(record->id)) {
          caf::anon_send(adopted->second, kill_atom_v, killed.mapped());  // nobody waits
        }
      },
      [this](stop_atom, const std::string& cause, ExperimentId id) { stop(cause, id); },
      [this](pause_atom, const std::string& cause, ExperimentId id) { pause(cause, id); },
      [this](resume_atom, ExperimentId id) { unpark(id); },
      [this](change_atom, const std::string& user, uint64_t top, const SetChangeRef& wanted) {
        return change_set(user, top, wanted);
      },
      [this](placed_atom, const PlacementRef& placement) { placed(placement); },
      [this](update_atom, const JobUpdate& job) { update({}, job); },
      [this](metrics_atom, const MetricBatch& batch) { metrics({}, batch); },
      [this](update_atom, const std::string& node, const JobUpdate& job) { update(node, job); },
      [this](metrics_atom, const std::string& node, const MetricBatch& batch) {
        metrics(node, batch);
      },
      [this](hello_atom, const NodeHello& node, const node_actor& handle) {
        return hello(node, handle);
      },
      [this](recovery_atom) { end_recovery(); },
      [this](lost_atom, const std::string& node, int64_t silent_ms) { lost_node(node, silent_ms); },
      [this](ended_atom, const RecordRef& record) { ended(record); },
      [this](requeue_atom, const RecordRef& record, int64_t lease_over) {
        requeue(record, std::chrono::nanoseconds{lease_over});
      },
      [this](lease_atom, const RecordRef& record) { lease_over(record); },
      [this](preempt_atom, ExperimentId id, const std::string& cause) {
        // One that ended meanwhile gives its resources back without being told.
        if (auto it = running_.find(id); it != running_.end())
          self_->send(it->second, preempt_atom_v, cause);
      },
      [this](wish_atom, const std::string& node, const CacheWishesRef& wishes) {
        if (auto it = nodes_.find(node); it != nodes_.end())
          self_->send(it->second, fetch_atom_v, *wishes);
      },
      [this](set_ended_atom, uint64_t top) {
        sets_.erase(top);
        self_->send(peers_.scheduler, range_atom_v, top, 0u);
        predecessor_ended({top, 0});
      },
      [this](pending_atom, ExperimentId id, int64_t queued_us) { pending_limit(id, queued_us); },
      [this](ask_atom, const TrialCallsRef& calls) { return ask(calls); },
      [this](why_atom, ExperimentId id) { return why(id); },
      [this](find_atom, ExperimentId id) { outputs_awaited(id); },
      [this](drain_atom, const std::string& cause) { return drain(cause); },
      [this](status_atom) {
        return fmt::format("{} running, {} sets, {} nodes", running_.size(), sets_.size(),
                           nodes_.size());
      },
  };
}

/// What the ledger has is enough to go on from; a timer or a request on its way must not keep an
/// actor, and so the process, alive.
void DirectorState::leave(const caf::error& reason) {
  for (const auto& [id, actor] : running_) self_->send_exit(actor, caf::exit_reason::user_shutdown);
  for (const auto& [top, set] : sets_) self_->send_exit(set.actor, caf::exit_reason::user_shutdown);
  self_->quit(reason);
}

uint64_t DirectorState::next_epoch() {
  return (context_->ledger->generation() << 32) + ++epochs_;
}

experiment_actor DirectorState::spawn_experiment(ExperimentRecord record) {
  ExperimentPeers peers{static_cast<director_actor>(self_),
                        peers_.ledger,
                        peers_.scheduler,
                        peers_.series,
                        peers_.datasets,
                        {},
                        {}};
  auto id = record.id;
  if (auto it = sets_.find(id.top); id.is_member() && it != sets_.end()) {
    peers.set = it->second.actor;
    peers.followed = it->second.followed;
  }
  auto actor = self_->spawn(experiment_behavior, context_, std::move(peers), std::move(record));
  running_.insert_or_assign(id, actor);
  leases_awaited_.erase(id);
  return actor;
}

void DirectorState::spawn_set(SetRecord record, bool fresh) {
  auto top = record.id.top;
  ExperimentSetPeers peers{static_cast<director_actor>(self_), peers_.ledger};
  LiveSet live;
  live.started = static_cast<bool>(record.started);
  live.learns = hpo::learns(record.sweep.strategy);
  live.followed = followed_of(record.sweep);
  auto sure = record.sweep.concurrency_sure.value_or(0);
  // What it learns it computes for long.
  if (record.sweep.ask)
    live.actor = live.asked =
        live.learns && context_->own_threads
            ? self_->spawn<caf::detached>(asked_set_behavior, context_, std::move(peers),
                                          std::move(record), fresh)
            : self_->spawn(asked_set_behavior, context_, std::move(peers), std::move(record),
                           fresh);
  else
    live.actor = live.learns && context_->own_threads
                     ? self_->spawn<caf::detached>(experiment_set_behavior, context_,
                                                   std::move(peers), std::move(record), fresh)
                     : self_->spawn(experiment_set_behavior, context_, std::move(peers),
                                    std::move(record), fresh);
  sets_.insert_or_assign(top, live);
  // Before any member: also after a restart what runs must be known for what it is.
  if (sure != 0) self_->send(peers_.scheduler, range_atom_v, top, sure);
  self_->send(live.actor, begin_atom_v);
}

void DirectorState::placed(const PlacementRef& placement) {
  auto record = context_->ledger->experiment(placement->id);
  if (draining_ || !record || !*record || (**record).state != State::queued) {
    // It ended between the queue and here, or nothing is started any more: give the resources back.
    for (const auto& job : placement->jobs)
      self_->send(peers_.scheduler, release_atom_v, placement->id, job.index);
    return;
  }
  member_placed(placement->id);
  auto actor = spawn_experiment(std::move(**record));
  for (const auto& job : placement->jobs)
    if (auto node = nodes_.find(job.node); node != nodes_.end())
      self_->send(actor, node_atom_v, job.node, node->second, addresses_[job.node]);
  self_->send(actor, placed_atom_v, placement, next_epoch());
}

/// A set runs from the placement of its first member on; one that learns makes the next.
void DirectorState::member_placed(ExperimentId id) {
  auto set = sets_.find(id.top);
  if (!id.is_member() || set == sets_.end()) return;
  if (std::exchange(set->second.started, true) && !set->second.learns) return;
  self_->send(set->second.actor, placed_atom_v, id);
}

void DirectorState::metrics(const std::string& from, const MetricBatch& batch) {
  auto it = running_.find(batch.key.job.experiment);
  if (it != running_.end()) self_->send(it->second, metrics_atom_v, from, batch);
}

void DirectorState::update(const std::string& from, const JobUpdate& job) {
  auto it = running_.find(job.key.job.experiment);
  if (it != running_.end()) {
    self_->send(it->second, update_atom_v, from, job);
    return;
  }
  // Its experiment has ended and been recorded: whatever the job still says is late.
  if (job.step == JobStep::ended)
    for (const auto& [node, handle] : nodes_)
      if (from.empty() || node == from) self_->send(handle, forget_atom_v, job.key);
}

void DirectorState::forget_jobs(const ExperimentRecord& record) {
  if (record.attempts.empty()) return;
  for (const auto& job : record.attempts.back().jobs)
    if (auto node = nodes_.find(job.node); node != nodes_.end())
      self_->send(node->second, forget_atom_v,
                  JobKey{JobId{record.id, job.role, job.index}, record.attempts.back().epoch});
}

void DirectorState::ended(const RecordRef& record) {
  running_.erase(record->id);
  forget_jobs(*record);
  if (record->id.is_member())
    if (auto set = sets_.find(record->id.top); set != sets_.end())
      self_->send(set->second.actor, ended_atom_v, record);
  predecessor_ended(record->id);
  if (draining_ && running_.empty())
    for (auto& promise : std::exchange(drain_promises_, {})) promise.deliver(drained_);
}

void DirectorState::requeue(const RecordRef& record, std::chrono::nanoseconds lease_over) {
  running_.erase(record->id);
  forget_jobs(*record);
  if (draining_) {
    if (running_.empty())
      for (auto& promise : std::exchange(drain_promises_, {})) promise.deliver(drained_);
    return;
  }
  if (lease_over > context_->clock->monotonic()) return await_lease(record, lease_over);
  if (park(*record)) return;
  queue(*record);
}

caf::typed_response_promise<uint64_t> DirectorState::drain(const std::string& cause) {
  auto promise = self_->make_response_promise<uint64_t>();
  draining_ = true;
  drained_ = running_.size();
  if (running_.empty()) {
    promise.deliver(drained_);
    return promise;
  }
  drain_promises_.push_back(promise);
  for (const auto& [id, actor] : running_) self_->send(actor, preempt_atom_v, cause);
  return promise;
}

director_actor::behavior_type director_behavior(
    director_actor::stateful_pointer<DirectorState> self, HeadContextRef context,
    DirectorPeers peers) {
  return self->state.make_behavior(std::move(context), std::move(peers));
}

}  // namespace troupe::actors
