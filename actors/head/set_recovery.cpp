// How a set finds its way back after a restart of the head.
#include "actors/head/experiment_set.hpp"
#include "actors/head/held_time.hpp"

namespace troupe::actors {

/// After a restart of the head. The ends of members and their count in the set's record are two
/// commits, so what the members say wins. The best value and the reason to stop may come from
/// values that are no member's last: they are the record's to say.
Result<void> ExperimentSetState::resume() {
  TROUPE_TRY(search_->recall(*context_->ledger, record_));
  killed_ = record_.state == State::killing;
  record_.stopped = 0;
  uint32_t from = 1;
  while (from < record_.next) {
    auto members = context_->ledger->members(record_.id.top, from, 1000);
    if (!members || members->empty()) break;
    for (const auto& member : *members) {
      if (!member.stopped.empty() && member.state == State::finished) ++record_.stopped;
      if (is_terminal(member.state)) held_.add(member, member.ended);
      if (is_terminal(member.state))
        study_->report(member.id.member, member.state, member.metrics);
      else
        live_.insert(member.id.member);
      recall_turns(member);
      if (member.state == State::queued && member.attempts.empty())
        unplaced_.insert(member.id.member);
      from = member.id.member + 1;
    }
  }
  copy_study();
  auto decision = study_->decision();
  stopping_ = killed_ || decision.stop;
  if (killed_) kill_members(record_.reason);
  if (decision.stop && decision.kill)
    for (auto member : live_)
      if (!search_->stopping().contains(member))
        caf::anon_send(peers_.director, kill_atom_v, decision.reason,
                       ExperimentId{record_.id.top, member});
  // The word to do so may not have reached them.
  for (const auto& [member, reason] : search_->stopping())
    to_stop_.push_back(static_cast<uint32_t>(member));
  stop_members();
  return ok();
}

}  // namespace troupe::actors
