// Before a start on several nodes they measure what they do together; what came of it goes into the
// books, and into the choice of nodes.
#include "actors/head/experiment.hpp"

#include <algorithm>

namespace troupe::actors {

/// Whether this attempt measures. One that follows a failure goes on at once: what it lost is worth
/// more than figures.
bool ExperimentState::wants_receipt() {
  const auto& record = life_->record();
  auto nodes = life_->nodes();
  if (!context_->receipts || !record.spec->receipt || nodes.size() < 2) return false;
  if (auto known = context_->receipts->known(nodes, context_->clock->now())) {
    if (known->of == to_string(record.id)) known->of.clear();
    life_->take_receipt(std::move(*known));
    return false;
  }
  const auto& attempts = record.attempts;
  if (attempts.size() > 1 && attempts[attempts.size() - 2].state != State::preempted) return false;
  life_->expect_receipt();
  return true;
}

/// One line before the first of `run`, which all of them wait for.
void ExperimentState::add_receipt(std::vector<JobOrder>& orders) {
  Phase line;
  line.receipt = true;
  for (auto& order : orders) {
    auto first = std::find_if(order.phases.begin(), order.phases.end(),
                              [](const Phase& phase) { return !phase.setup; });
    order.phases.insert(first, line);
  }
}

void ExperimentState::file_receipt(Effects& effects) {
  const auto& record = life_->record();
  auto now = context_->clock->now();
  if (!context_->receipts) return;
  auto drifts = context_->receipts->add(record.id, record.attempts.back().receipt, now);
  std::vector<std::string> notes;
  for (auto& drift : drifts) {
    notes.push_back(drift.text);
    for (const auto& node : drift.nodes) {
      Event event;
      event.time = now;
      event.kind = "node";
      event.subject = node;
      event.cause = drift.text;
      effects.events.push_back(std::move(event));
    }
  }
  life_->note_drift(std::move(notes));
  self_->send(peers_.scheduler, drift_atom_v,
              DriftRef{std::make_shared<std::set<std::string>>(context_->receipts->drifting(now))});
}

}  // namespace troupe::actors
