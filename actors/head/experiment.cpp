#include "actors/head/experiment.hpp"

#include "actors/head/orders.hpp"
#include "actors/head/output_versions.hpp"
#include "actors/head/report_check.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

experiment_actor::behavior_type ExperimentState::make_behavior(HeadContextRef context,
                                                               ExperimentPeers peers,
                                                               ExperimentRecord record) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  life_ = std::make_unique<ExperimentLife>(std::move(record));
  if (auto patience = life_->record().spec->watchdog.patience; patience.count() > 0)
    watch_.emplace(patience);
  return {
      [this](node_atom, const std::string& node, const node_actor& handle,
             const std::string& address) {
        nodes_[node] = handle;
        addresses_[node] = address;
      },
      [this](known_atom, const std::string& node, const JobKeysRef& jobs) { settle(node, *jobs); },
      [this](placed_atom, const PlacementRef& placement, uint64_t epoch) {
        place(*placement, epoch);
      },
      [this](adopt_atom, const JobUpdate& update, const std::string& node) { adopt(update, node); },
      [this](update_atom, const std::string& from, const JobUpdate& update) {
        if (!may_speak(from, update.key)) return;
        note_port(update);
        apply(life_->update(update, context_->clock->now()));
        if (watch_) watch(update);
        if (stragglers_.update(update) && update.key.epoch == life_->epoch())
          apply(life_->straggles(stragglers_.late(life_->record().attempts.back()),
                                 context_->clock->now()));
      },
      [this](metrics_atom, const std::string& from, const MetricBatch& batch) {
        if (may_speak(from, batch.key)) metrics(batch);
      },
      [this](kill_atom, const std::string& cause) { return kill(cause); },
      [this](stop_atom, const std::string& cause) {
        apply(life_->stop(cause, context_->clock->now()));
      },
      [this](pause_atom, const std::string& cause) {
        apply(life_->pause(cause, context_->clock->now()));
      },
      [this](change_atom, const FollowedRef& followed) { peers_.followed = followed.value; },
      [this](lost_atom, const std::string& node, int64_t silent_ms) {
        auto now = context_->clock->now();
        apply(life_->lost_node(node, "its node " + node + " is gone",
                               Timestamp{now.us - silent_ms * 1000}, now));
      },
      [this](preempt_atom, const std::string& cause) {
        apply(life_->preempt(cause, context_->clock->now()));
        if (next_ == Effects::Next::requeue && !saving_) finish();  // no use in the backoff now
      },
      [this](limit_atom, uint64_t epoch) {
        if (epoch == life_->epoch()) apply(life_->running_limit(context_->clock->now()));
      },
      [this](requeue_atom) { finish(); },
  };
}

JobKey ExperimentState::key_of(uint32_t index) const {
  const auto& record = life_->record();
  for (const auto& job : record.attempts.back().jobs)
    if (job.index == index) return JobKey{JobId{record.id, job.role, index}, life_->epoch()};
  return {};
}

/// Whether a node may report on a job; where it never had it, that is told. What is late is passed
/// on: who gets it knows the epoch that counts.
bool ExperimentState::may_speak(const std::string& node, const JobKey& key) const {
  if (node.empty() || standing_of(life_->record(), key, node) != Standing::foreign) return true;
  context_->audit->refused(
      node, Error{Errc::refused, fmt::format("a report on job {} was refused", to_string(key.job)),
                  fmt::format("epoch {} of it was never given to that worker", key.epoch),
                  "is that worker's folder its own?"});
  return false;
}

template <class... Ts>
void ExperimentState::tell_node(uint32_t index, Ts... message) {
  for (const auto& job : life_->record().attempts.back().jobs) {
    if (job.index != index) continue;
    if (auto it = nodes_.find(job.node); it != nodes_.end() && it->second)
      self_->send(it->second, std::move(message)...);
  }
}

void ExperimentState::place(const schedule::Placement& placement, uint64_t epoch) {
  std::vector<ExperimentLife::Place> places;
  for (const auto& job : placement.jobs) places.push_back({job.node, job.gpus});
  auto now = context_->clock->now();
  auto effects = life_->place(places, epoch, now);
  bool measures = wants_receipt();
  const auto& record = life_->record();
  auto orders = orders_of(record, job_token(context_->secret, record.id, epoch), now);
  if (orders)
    if (auto filled = fill_output_digests(*context_->ledger, *orders); !filled)
      orders = filled.error();
  apply(std::move(effects));
  if (!orders) {
    JobUpdate update;
    update.step = JobStep::ended;
    update.time_us = now.us;
    update.error = orders.error();
    for (uint32_t index = 0; index < placement.jobs.size(); ++index) {
      update.key = key_of(index);
      apply(life_->update(update, context_->clock->now()));
    }
    return;
  }
  if (orders->size() > 1)
    for (auto& order : *orders)
      for (auto& host : order.hosts) host.address = addresses_[host.node];
  if (measures) add_receipt(*orders);
  first_ports_.assign(orders->size(), 0);
  orders_ = std::move(*orders);
  if (record.attempts.back().number > 1 && !record.checkpoints.empty()) return ask_resume(record);
  if (record.branched_from != 0) return ask_branch();
  if (record.attempts.back().number > 1) return ask_resume(record);
  give_orders();
}

/// It begins from another's newest checkpoint.
void ExperimentState::ask_branch() {
  const auto& record = life_->record();
  auto donor = context_->ledger->experiment({record.id.top, record.branched_from});
  if (!donor || !*donor) return give_orders();
  (**donor).attempts = {record.attempts.back()};  // where it is needed
  if ((**donor).checkpoints.empty())
    apply(life_->resume_noted(
        fmt::format("it begins anew: {} has no checkpoint", to_string((**donor).id)),
        context_->clock->now()));
  ask_resume(**donor);
}

/// What it goes on from may still have to come from where it ran before.
void ExperimentState::ask_resume(const ExperimentRecord& from) {
  RecordRef record{std::make_shared<const ExperimentRecord>(from)};
  // tidy: allow infinite: the dataset actor answers, or ends together with the head
  self_->request(peers_.datasets, caf::infinite, resume_atom_v, record)
      .then(
          [this, of = from.id, epoch = life_->epoch()](const ResumeRef& resume) {
            if (orders_.empty() || epoch != life_->epoch()) return;
            for (auto& order : orders_) {
              order.resume = resume->choices;
              order.resume_of = of;
            }
            if (!resume->note.empty())
              apply(life_->resume_noted(resume->note, context_->clock->now()));
            give_orders();
          },
          [this](caf::error&) { give_orders(); });
}

/// Also before an order to stop: a node answers only for what it has been given.
void ExperimentState::give_orders() {
  for (auto& order : std::exchange(orders_, {})) {
    auto index = order.key.job.index;
    tell_node(index, start_atom_v, std::move(order));
  }
}

/// A node says which jobs it has. One of ours that it does not have never reached it, or is gone
/// with its worker; one of an older attempt has been replaced, and ends.
void ExperimentState::settle(const std::string& node, const std::vector<JobKey>& known) {
  if (!orders_.empty()) return;  // it has not been told of them yet
  auto handle = nodes_.find(node);
  for (const auto& key : known)
    if (key.job.experiment == life_->record().id && handle != nodes_.end() &&
        standing_of(life_->record(), key, node) != Standing::current)
      self_->send(handle->second, forget_atom_v, key);
  if (life_->record().attempts.empty()) return;
  auto jobs = life_->record().attempts.back().jobs;
  for (const auto& job : jobs) {
    auto key = JobKey{JobId{life_->record().id, job.role, job.index}, life_->epoch()};
    if (job.node != node || is_terminal(job.state) ||
        std::find(known.begin(), known.end(), key) != known.end())
      continue;
    JobUpdate update;
    update.key = key;
    update.step = JobStep::ended;
    update.time_us = context_->clock->now().us;
    update.infrastructure = true;
    update.error =
        Error{Errc::unavailable, "job " + to_string(key.job) + " was lost",
              "its node " + node + " came back without it", "it is started again by itself"};
    apply(life_->update(update, context_->clock->now()));
  }
}

void ExperimentState::adopt(const JobUpdate& update, const std::string& node) {
  auto now = context_->clock->now();
  apply(life_->adopt({{node, update.gpus}}, update.key.epoch, update.attempt, now));
  apply(life_->update(update, context_->clock->now()));
}

/// What a job has set aside on its node; all of a gang hear it with the word to begin.
void ExperimentState::note_port(const JobUpdate& update) {
  if (update.key.epoch != life_->epoch() || update.first_port == 0) return;
  auto index = update.key.job.index;
  if (index >= limits::workers_max) return;
  if (index >= first_ports_.size()) first_ports_.resize(index + 1);
  first_ports_[index] = update.first_port;
}

caf::typed_response_promise<bool> ExperimentState::kill(const std::string& cause) {
  auto promise = self_->make_response_promise<bool>();
  kill_promises_.push_back(promise);  // first: a step that somebody waits for is committed at once
  apply(life_->kill(cause, context_->clock->now()));
  if (unsaved_.empty() && !saving_)
    for (auto& waiting : std::exchange(kill_promises_, {})) waiting.deliver(true);
  return promise;
}

void ExperimentState::apply(Effects effects) {
  const auto& record = life_->record();
  if (effects.receipt_came) file_receipt(effects);
  for (auto index : effects.released)
    self_->send(peers_.scheduler, release_atom_v, record.id, index);
  for (auto& [node, what] : effects.blamed)
    context_->failures->add(node, {context_->clock->now(), record.id, std::move(what)});
  if (!effects.stop.empty()) give_orders();
  auto grace = static_cast<uint32_t>(effects.grace.count());
  for (auto index : effects.stop) tell_node(index, stop_atom_v, key_of(index), grace);
  if (effects.go_phase)
    for (const auto& job : record.attempts.back().jobs)
      tell_node(job.index, phase_atom_v, key_of(job.index),
                PhaseStart{*effects.go_phase, first_ports_});
  if (effects.next != Effects::Next::none) {
    next_ = effects.next;
    backoff_ = effects.backoff;
    if (effects.awaits_lease) lease_over_ = context_->clock->monotonic() + limits::exclusive_wait;
  }
  for (auto& event : effects.events) unsaved_.push_back(std::move(event));
  if (record.state == State::running) arm_running_limit();
  if (!unsaved_.empty() || effects.changed) save();
  if (effects.checkpoints_told)
    self_->send(peers_.datasets, note_atom_v,
                RecordRef{std::make_shared<const ExperimentRecord>(record)});
  if (effects.checkpoint_came &&
      (record.id.is_member() || record.spec->workers.min != record.spec->workers.max))
    self_->send(peers_.scheduler, note_atom_v, record.id);
  for (auto& [node, gone] : effects.drop_checkpoints)
    if (auto it = nodes_.find(node); it != nodes_.end() && it->second)
      self_->send(it->second, forget_atom_v, CheckpointDrop{record.id, std::move(gone)});
}

void ExperimentState::arm_running_limit() {
  auto limit = life_->record().spec->limits.running;
  if (limit.count() == 0 || limit_armed_ == life_->epoch()) return;
  limit_armed_ = life_->epoch();
  // Counted from its start, which may lie before a restart of the head.
  auto now = context_->clock->now();
  auto started = now;
  for (const auto& job : life_->record().attempts.back().jobs)
    if (job.started) started = std::min(started, job.started);
  auto ran = std::chrono::duration_cast<Duration>(std::chrono::microseconds{now.us - started.us});
  self_->delayed_send(self_, std::max(limit - ran, Duration{0}), limit_atom_v, limit_armed_);
}

void ExperimentState::watch(const JobUpdate& update) {
  watch_->update(update, context_->clock->monotonic());
  if (update.ranks.empty()) return;
  auto now = context_->clock->now();
  auto verdict = watch_->look(life_->record(), now, context_->clock->monotonic());
  if (!verdict.known) return;
  apply(verdict.hang ? life_->stands_still(*verdict.hang, now) : life_->goes_on(now));
}

experiment_actor::behavior_type experiment_behavior(
    experiment_actor::stateful_pointer<ExperimentState> self, HeadContextRef context,
    ExperimentPeers peers, ExperimentRecord record) {
  return self->state.make_behavior(std::move(context), std::move(peers), std::move(record));
}

}  // namespace troupe::actors
