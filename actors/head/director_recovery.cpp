// How the director finds its way back after a restart: the ledger says what was going on, the nodes
// say what still runs, and the difference is settled before anything new is placed.
#include "actors/head/director.hpp"
#include "actors/head/orders.hpp"
#include "actors/head/report_check.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

void DirectorState::recover() {
  if (context_->receipts)
    if (auto drifting = context_->receipts->drifting(context_->clock->now()); !drifting.empty())
      self_->send(peers_.scheduler, drift_atom_v,
                  DriftRef{std::make_shared<std::set<std::string>>(std::move(drifting))});
  auto live = context_->ledger->live();
  if (!live) {
    log::error("director", "the ledger does not say what is live: {}", to_string(live.error()));
    return;
  }
  std::vector<ExperimentRecord> waiting;
  for (auto id : *live) {
    auto entry = context_->ledger->find(id);
    if (!entry || !*entry) continue;
    if (auto* set = std::get_if<SetRecord>(&**entry)) {
      spawn_set(std::move(*set), false);
    } else {
      auto& record = std::get<ExperimentRecord>(**entry);
      if (record.state == State::queued)
        waiting.push_back(std::move(record));
      else if (!record.attempts.empty())  // else it is run elsewhere, and its set knows of it

        recovering_.emplace(id, std::move(record));
    }
  }
  // Of an exclusive one nobody knows when it was lost, or whether it was started and not recorded.
  auto leases_over = context_->clock->monotonic() + limits::exclusive_wait;
  for (auto& record : waiting)
    if (record.spec->exclusive)
      await_lease({std::make_shared<const ExperimentRecord>(std::move(record))}, leases_over);
    else if (!park(record))
      queue(record);
  if (context_->expected_nodes.empty()) end_recovery();
}

/// An attempt may run on where nobody sees it, until its lease runs out there.
void DirectorState::await_lease(const RecordRef& record, std::chrono::nanoseconds over) {
  leases_awaited_[record->id] = over;
  self_->delayed_send(self_, over - context_->clock->monotonic(), lease_atom_v, record);
}

void DirectorState::lease_over(const RecordRef& record) {
  auto held = leases_awaited_.find(record->id);
  if (held == leases_awaited_.end()) return;  // adopted
  if (held->second > context_->clock->monotonic()) return await_lease(record, held->second);
  leases_awaited_.erase(held);
  auto now = context_->ledger->experiment(record->id);
  if (now && *now && (**now).state == State::queued && !park(**now)) queue(**now);
}

NodeWelcome DirectorState::hello(const NodeHello& hello, const node_actor& handle) {
  nodes_.insert_or_assign(hello.name, handle);
  addresses_.insert_or_assign(hello.name, hello.address);
  shapes_that_fit_.clear();
  NodeWelcome welcome;
  for (const auto& job : hello.jobs) {
    if (claim(hello, handle, job)) continue;
    (job.step == JobStep::ended ? welcome.forget : welcome.stop).push_back(job.key);
  }
  self_->send(peers_.datasets, known_atom_v, hello.name);
  settle_unheard(hello);
  settle_running(hello);
  // Behind what runs on it: the scheduler must not give that room to others in between.
  self_->send(peers_.scheduler, node_atom_v, share(node_spec_of(hello, hello.accepts)));
  return welcome;
}

/// After a cut link orders may have been lost with it, and after a longer one attempts may have
/// been replaced: each experiment hears what the node has.
void DirectorState::settle_running(const NodeHello& hello) {
  std::vector<JobKey> keys;
  keys.reserve(hello.jobs.size());
  for (const auto& job : hello.jobs) keys.push_back(job.key);
  auto known = share(std::move(keys));
  for (const auto& [id, actor] : running_) self_->send(actor, known_atom_v, hello.name, known);
}

/// What the ledger believes to run on a node, and the node does not know, is lost.
void DirectorState::settle_unheard(const NodeHello& hello) {
  std::vector<ExperimentId> here;
  for (const auto& [id, record] : recovering_)
    for (const auto& job : record.attempts.back().jobs)
      if (job.node == hello.name && (here.empty() || here.back() != id)) here.push_back(id);
  for (auto id : here) revive(id);
  auto unheard = unheard_.extract(hello.name);
  if (unheard.empty()) return;
  for (const auto& [id, jobs] : unheard.mapped())
    if (auto it = running_.find(id); it != running_.end() && !jobs.empty())
      self_->send(it->second, lost_atom_v, hello.name, int64_t{0});
}

/// Gives an experiment that ran before the restart its actor back, with all it holds. Each of its
/// nodes has yet to say whether it runs there.
experiment_actor DirectorState::revive(ExperimentId id) {
  auto record = std::move(recovering_.extract(id).mapped());
  std::vector<schedule::JobPlace> places;
  for (const auto& job : record.attempts.back().jobs) {
    if (is_terminal(job.state)) continue;
    places.push_back({job.index, job.node, job.gpus});
    unheard_[job.node][id].insert(job.index);
  }
  self_->send(peers_.scheduler, adopt_atom_v, share(request_of(record)), share(std::move(places)));
  return spawn_experiment(std::move(record));
}

/// Whether a job that a node reports is one the ledger wants; if so its experiment goes on.
bool DirectorState::claim(const NodeHello& hello, const node_actor& handle, const JobUpdate& job) {
  auto id = job.key.job.experiment;
  if (auto it = recovering_.find(id); it != recovering_.end()) {
    auto standing = standing_of(it->second, job.key, hello.name);
    if (standing == Standing::foreign) refuse(hello.name, job.key);
    if (standing != Standing::current) return false;
    revive(id);
  }
  auto it = running_.find(id);
  if (it == running_.end()) return adopt_unknown(hello, handle, job);
  if (auto node = unheard_.find(hello.name); node != unheard_.end())
    if (auto jobs = node->second.find(id); jobs != node->second.end())
      jobs->second.erase(job.key.job.index);
  self_->send(it->second, node_atom_v, hello.name, handle, hello.address);
  self_->send(it->second, update_atom_v, hello.name, job);
  return true;
}

/// A job of a QUEUED experiment: it was started and the head died before that was durable. The
/// order counts as given: running it again would do its work twice. A gang cannot be judged by one
/// of its jobs; it starts afresh.
bool DirectorState::adopt_unknown(const NodeHello& hello, const node_actor& handle,
                                  const JobUpdate& job) {
  auto id = job.key.job.experiment;
  auto record = context_->ledger->experiment(id);
  if (!record || !*record || (**record).state != State::queued) return false;
  auto attempts = (**record).attempts.empty() ? 0 : (**record).attempts.back().number;
  if (job.attempt != attempts + 1 || (**record).spec->workers.max != 1) return false;
  // The order itself is the proof that it was given.
  if (!equal_constant_time(job.token, job_token(context_->secret, id, job.key.epoch))) {
    refuse(hello.name, job.key);
    return false;
  }
  caf::anon_send(peers_.scheduler, unqueue_atom_v, id);  // the answer is of no use
  self_->send(peers_.scheduler, adopt_atom_v, share(request_of(**record)),
              share(std::vector<schedule::JobPlace>{{job.key.job.index, hello.name, job.gpus}}));
  member_placed(id);
  auto actor = spawn_experiment(std::move(**record));
  self_->send(actor, node_atom_v, hello.name, handle, hello.address);
  self_->send(actor, adopt_atom_v, job, hello.name);
  return true;
}

void DirectorState::refuse(const std::string& node, const JobKey& key) {
  context_->audit->refused(
      node, Error{Errc::refused, fmt::format("a claim on job {} was refused", to_string(key.job)),
                  fmt::format("epoch {} of it was never given to that worker", key.epoch),
                  "is that worker's folder its own?"});
}

void DirectorState::lost_node(const std::string& node, int64_t silent_ms) {
  nodes_.erase(node);
  addresses_.erase(node);
  unheard_.erase(node);
  shapes_that_fit_.clear();
  self_->send(peers_.scheduler, lost_atom_v, node);
  self_->send(peers_.datasets, lost_atom_v, node);
  for (const auto& [id, actor] : running_) self_->send(actor, lost_atom_v, node, silent_ms);
}

/// All nodes that were to come are here, or are given up: what they did not speak of is lost.
void DirectorState::end_recovery() {
  while (!recovering_.empty()) revive(recovering_.begin()->first);
  for (const auto& [node, experiments] : std::exchange(unheard_, {}))
    for (const auto& [id, jobs] : experiments)
      if (auto it = running_.find(id); it != running_.end() && !jobs.empty())
        self_->send(it->second, lost_atom_v, node, int64_t{0});
  self_->send(peers_.scheduler, open_atom_v);
}

}  // namespace troupe::actors
