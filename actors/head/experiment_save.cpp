// How an experiment's state becomes durable, and what follows once it is: kills are answered, and
// what has ended or is QUEUED again goes back to the director.
#include "actors/head/commit.hpp"
#include "actors/head/experiment.hpp"
#include "runtime/core/log.hpp"

namespace troupe::actors {

/// One commit at a time: what happens meanwhile goes with the next, so a slow disk costs fewer,
/// larger commits.
void ExperimentState::save() {
  if (saving_) return;
  saving_ = true;
  sync_points();
}

/// Which ends there are: of how many jobs of which attempt, and of all of it.
std::pair<uint64_t, size_t> ExperimentState::ends() const {
  const auto& record = life_->record();
  size_t count = is_terminal(record.state) ? 1 : 0;
  if (!record.attempts.empty())
    for (const auto& job : record.attempts.back().jobs) count += is_terminal(job.state) ? 1 : 0;
  return {life_->epoch(), count};
}

/// Who learns of an end finds every point before it, and no crash can lose one any more: of a job
/// that has ended no head asks again. Jobs that end while we wait are waited for, too.
void ExperimentState::sync_points() {
  auto now = ends();
  if (!points_unsynced_ || now.second == 0 || now == ends_synced_) return commit();
  points_unsynced_ = false;
  ends_synced_ = now;
  self_->request(peers_.series, commit_timeout, sync_atom_v)
      .then([this](bool) { sync_points(); },
            [this](caf::error& e) {
              log::error("experiment", "{}: its last points may be missing: {}",
                         to_string(life_->record().id), to_string(from_caf(e, "metrics")));
              commit();
            });
}

void ExperimentState::commit() {
  std::vector<storage::Mutation> mutations;
  mutations.push_back(
      storage::PutExperiment{std::make_shared<const ExperimentRecord>(life_->record()), false});
  for (const auto& event : unsaved_) mutations.push_back(storage::AppendEvent{event});
  if (next_ == Effects::Next::none && kill_promises_.empty()) {
    // Nobody waits for a step on the way: it goes with the next commit.
    if (context_->notes->add(mutations_ref(std::move(mutations))))
      self_->send(peers_.ledger, note_atom_v);
    unsaved_.clear();
    saving_ = false;
    return;
  }
  auto count = unsaved_.size();
  request_commit(
      self_, peers_.ledger, later_atom_v, mutations_ref(std::move(mutations)),
      [this, count](uint64_t) {
        saving_ = false;
        unsaved_.erase(unsaved_.begin(), unsaved_.begin() + static_cast<std::ptrdiff_t>(count));
        saved();
      },
      [this](caf::error& e) {
        saving_ = false;
        log::error("experiment", "{}: not recorded yet: {}", to_string(life_->record().id),
                   to_string(from_caf(e, "a state change")));
        self_->delayed_send(self_, save_again_after, requeue_atom_v);
      });
}

void ExperimentState::saved() {
  if (!unsaved_.empty()) return save();
  for (auto& promise : std::exchange(kill_promises_, {})) promise.deliver(true);
  if (next_ == Effects::Next::ended) return finish();
  if (next_ == Effects::Next::requeue) {
    if (backoff_.count() > 0)
      self_->delayed_send(self_, backoff_, requeue_atom_v);
    else
      finish();
  }
}

/// Hands the record back to the director; also the wake-up after a failed save or a backoff.
void ExperimentState::finish() {
  if (!unsaved_.empty()) return save();
  if (next_ == Effects::Next::none) return;
  RecordRef record{std::make_shared<const ExperimentRecord>(life_->record())};
  if (is_terminal(record->state))
    self_->send(peers_.director, ended_atom_v, record);
  else
    self_->send(peers_.director, requeue_atom_v, record, lease_over_.count());
  self_->quit();
}

}  // namespace troupe::actors
