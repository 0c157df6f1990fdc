#include "actors/head/director.hpp"

#include "actors/head/asked_set.hpp"
#include "actors/head/commit.hpp"
#include "actors/head/datasets.hpp"
#include "actors/head/experiment_set.hpp"
#include "actors/head/orders.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A full disk may be emptied at any time.
constexpr auto end_again_after = std::chrono::seconds{1};
// Nodes come back within seconds, or not soon.
constexpr auto outputs_again_after = std::chrono::seconds{5};
// What asks the nodes has limits of its own, which are far shorter.
constexpr std::chrono::seconds outputs_timeout = std::chrono::hours{24};  // CAF knows no hours

}  // namespace

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

/// A durable QUEUED record goes to the scheduler, unless it has to wait for others first.
void DirectorState::queue(const ExperimentRecord& record) {
  if (auto killed = kill_again_.extract(record.id); !killed.empty())
    return end_queued(record, State::killed, killed.mapped(), nullptr, {});
  arm_pending_limit(record);
  if (hold_for_predecessors(record) || hold_for_outputs(record)) return;
  auto request = request_of(record);
  for (auto& need : request.data) need.bytes = dataset_bytes(*context_->ledger, need.source);
  self_->send(peers_.scheduler, queue_atom_v, share(std::move(request)));
}

bool DirectorState::hold_for_predecessors(const ExperimentRecord& record) {
  std::set<ExperimentId> open;
  for (auto id : record.spec->after) {
    auto entry = context_->ledger->find(id);
    if (!entry || !*entry) continue;  // checked at submit
    auto state = std::visit([](const auto& r) { return r.state; }, **entry);
    if (state == State::finished) continue;
    if (is_terminal(state)) {
      auto cause = fmt::format("{} ended {}", to_string(id), to_string(state));
      Error error{Errc::failed, fmt::format("experiment {} was skipped", to_string(record.id)),
                  cause, fmt::format("troupe show {}", to_string(id))};
      end_queued(record, State::skipped, cause, &error, {});
      return true;
    }
    open.insert(id);
  }
  if (open.empty()) return false;
  for (auto id : open) held_for_[id].push_back(record.id);
  holds_.insert_or_assign(record.id, std::move(open));
  return true;
}

void DirectorState::predecessor_ended(ExperimentId id) {
  auto it = held_for_.find(id);
  if (it == held_for_.end()) return;
  auto waiting = std::move(it->second);
  held_for_.erase(it);
  for (auto successor : waiting) {
    auto hold = holds_.find(successor);
    if (hold == holds_.end()) continue;
    holds_.erase(hold);
    auto record = context_->ledger->experiment(successor);
    if (record && *record && (**record).state == State::queued) queue(**record);
  }
}

/// Outputs that it mounts become a version of their own when the first one needs them: until then
/// they lie where they were written.
bool DirectorState::hold_for_outputs(const ExperimentRecord& record) {
  for (const auto& mount : record.spec->data) {
    auto of = outputs_behind(mount);
    if (!of) continue;
    auto known = context_->ledger->dataset(mount.source, "");
    if (known && *known) continue;
    outputs_awaited_.insert_or_assign(
        record.id, fmt::format("the outputs of {} are being fetched", to_string(*of)));
    RecordRef waiting{std::make_shared<const ExperimentRecord>(record)};
    self_->request(peers_.datasets, outputs_timeout, find_atom_v, *of)
        .then([this, id = record.id](const DatasetVersionRef&) { outputs_awaited(id); },
              [this, waiting](caf::error& e) {
                outputs_refused(waiting, from_caf(e, "fetching outputs"));
              });
    return true;
  }
  return false;
}

void DirectorState::outputs_awaited(ExperimentId id) {
  if (outputs_awaited_.erase(id) == 0) return;  // killed meanwhile
  auto now = context_->ledger->experiment(id);
  if (now && *now && (**now).state == State::queued) queue(**now);
}

/// A node that is away may come back; what else is wrong stays so.
void DirectorState::outputs_refused(const RecordRef& record, const Error& error) {
  auto awaited = outputs_awaited_.find(record->id);
  if (awaited == outputs_awaited_.end()) return;
  if (error.code == Errc::unavailable || error.code == Errc::timed_out) {
    awaited->second = fmt::format("{}: {}", error.what, error.detail);
    self_->delayed_send(self_, outputs_again_after, find_atom_v, record->id);
    return;
  }
  outputs_awaited_.erase(awaited);
  end_queued(*record, State::failed, error.what, &error, {});
}

void DirectorState::arm_pending_limit(const ExperimentRecord& record) {
  auto limit = record.spec->limits.pending;
  if (limit.count() == 0) return;
  auto waited = std::chrono::microseconds{context_->clock->now().us - record.queued.us};
  auto rest = std::chrono::duration_cast<std::chrono::microseconds>(limit) - waited;
  self_->delayed_send(self_, std::max(rest, std::chrono::microseconds{0}), pending_atom_v,
                      record.id, record.queued.us);
}

void DirectorState::pending_limit(ExperimentId id, int64_t queued_us) {
  if (running_.contains(id)) return;
  auto record = context_->ledger->experiment(id);
  if (!record || !*record || (**record).state != State::queued || (**record).queued.us != queued_us)
    return;
  self_->request(peers_.scheduler, limits::request_timeout, unqueue_atom_v, id)
      .then(
          [this, record = std::move(**record)](bool waited) {
            bool held = holds_.erase(record.id) + outputs_awaited_.erase(record.id) != 0;
            if (!waited && !held) return;  // placed at the last moment
            auto cause = fmt::format("the pending limit of {} was reached",
                                     duration_text(record.spec->limits.pending));
            Error error{Errc::timed_out,
                        fmt::format("experiment {} waited too long", to_string(record.id)), cause,
                        fmt::format("troupe why {}; raise limits.pending", to_string(record.id))};
            end_queued(record, State::failed, cause, &error, {});
          },
          [](caf::error&) {});
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

auto DirectorState::target_of(ExperimentId id) const -> std::optional<kill_target> {
  if (auto set = sets_.find(id.top); set != sets_.end() && !id.is_member())
    return kill_target{set->second.actor};
  if (auto it = running_.find(id); it != running_.end()) return kill_target{it->second};
  return std::nullopt;
}

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

caf::typed_response_promise<WaitingRef> DirectorState::why(ExperimentId id) {
  auto promise = self_->make_response_promise<WaitingRef>();
  api::Waiting waiting;
  if (auto hold = holds_.find(id); hold != holds_.end()) {
    for (auto predecessor : hold->second)
      waiting.reasons.push_back(
          fmt::format("it starts after {}, which has not ended", to_string(predecessor)));
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (auto awaited = outputs_awaited_.find(id); awaited != outputs_awaited_.end()) {
    waiting.reasons.push_back(awaited->second);
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (leases_awaited_.contains(id)) {
    waiting.reasons.push_back(
        "it is exclusive, and may still run where the head does not see it: first its lease has to "
        "run out there");
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (recovering_.contains(id)) {
    waiting.reasons.push_back(
        "it ran before the head was restarted; its node has not reported yet");
    promise.deliver(share(std::move(waiting)));
    return promise;
  }
  if (running_.contains(id)) {
    // Its actor holds it back until the pause before its next try is over.
    auto record = context_->ledger->experiment(id);
    if (record && *record && (**record).state == State::queued) {
      waiting.reasons.push_back(
          fmt::format("its next try comes after a pause: {}", (**record).reason));
      promise.deliver(share(std::move(waiting)));
      return promise;
    }
    why_starting(id, promise);
    return promise;
  }
  why_queued(id, promise);
  return promise;
}

void DirectorState::why_queued(ExperimentId id, caf::typed_response_promise<WaitingRef> promise) {
  self_->request(peers_.scheduler, limits::request_timeout, why_atom_v, id)
      .then([promise](const WaitingRef& answer) mutable { promise.deliver(answer); },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
}

/// It has its place, and may wait there for what it goes on from.
void DirectorState::why_starting(ExperimentId id, caf::typed_response_promise<WaitingRef> promise) {
  self_->request(peers_.datasets, limits::request_timeout, why_atom_v, id)
      .then(
          [this, id, promise](const std::string& reason) mutable {
            if (reason.empty()) return why_queued(id, promise);
            api::Waiting waiting;
            waiting.reasons.push_back(reason);
            promise.deliver(share(std::move(waiting)));
          },
          [this, id, promise](caf::error&) mutable { why_queued(id, promise); });
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
