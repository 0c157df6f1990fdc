// Members of a set that are stopped, or wait for their turn and go on. What was decided is carried
// out once it is durable: a head that comes back must find the reason for what it did.
#include "actors/head/experiment_set.hpp"

namespace troupe::actors {

/// By what is known now, so that it may be said again.
void ExperimentSetState::stop_members() {
  for (auto member : std::exchange(to_stop_, {})) {
    if (!live_.contains(member)) continue;
    ExperimentId id{record_.id.top, member};
    if (auto stop = search_->stopping().find(member); stop != search_->stopping().end())
      self_->send(peers_.director, stop_atom_v, stop->second, id);
    else if (auto pause = search_->paused().find(member); pause != search_->paused().end())
      self_->send(peers_.director, pause_atom_v, pause->second, id);
    else if (going_.erase(member), parked_.erase(member) != 0)
      self_->send(peers_.director, resume_atom_v, id);
  }
}

/// It has given its place away; its turn may have come in between.
void ExperimentSetState::parked(ExperimentId member) {
  if (!live_.contains(member.member)) return;
  parked_.insert(member.member);
  if (!search_->paused().contains(member.member)) {
    going_.insert(member.member);
    to_stop_.push_back(member.member);
    if (!saving_ && !making_) stop_members();
  }
  fill();
  finish_if_done();
}

/// A free place goes to the best that waits before it goes to somebody new.
void ExperimentSetState::promote() {
  size_t limit = record_.sweep.concurrency.value_or(UINT32_MAX);
  for (auto taken = occupied(); taken < limit;) {
    auto promotable = search_->promotable();
    if (!promotable) return;
    auto member = static_cast<uint32_t>(*promotable);
    search_->promote(member);
    if (!parked_.contains(member)) continue;  // it has not ended yet, and keeps its place
    going_.insert(member);
    ++taken;
  }
}

/// After a restart of the head.
void ExperimentSetState::recall_turns(const ExperimentRecord& member) {
  if (is_terminal(member.state)) return;
  bool waits = member.state == State::queued && !member.paused.empty();
  if (waits) parked_.insert(member.id.member);
  bool paused = search_->paused().contains(member.id.member);
  if (waits && !paused) going_.insert(member.id.member);
  if (waits != paused) to_stop_.push_back(member.id.member);
}

/// Nobody is left who could make room for those that wait: they have what they have. Whether there
/// was anybody.
bool ExperimentSetState::end_waiting() {
  if (parked_.empty() || occupied() != 0 || stopping_ || killed_) return false;
  bool any = false;
  auto paused = search_->paused();
  if (paused.size() < parked_.size() || search_->promotable()) return true;
  for (const auto& [member, reason] : paused)
    if (!search_->stopping().contains(member)) {
      search_->dismiss(static_cast<uint32_t>(member), reason);
      any = true;
    }
  if (any) save();
  return any;
}

}  // namespace troupe::actors
