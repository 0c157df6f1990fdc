#include "hpo/ledger.hpp"

#include <cmath>

namespace troupe::hpo {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::running:
      return "running";
    case Outcome::completed:
      return "completed";
    case Outcome::stopped:
      return "stopped";
    case Outcome::failed:
      return "failed";
    case Outcome::cancelled:
      return "cancelled";
  }
  return "unknown";
}

const Trial* TrialLedger::take(const Observation& observation, Positions positions) {
  auto [place, is_new] = places_.emplace(observation.trial, trials_.size());
  if (is_new) {
    trials_.emplace_back().number = observation.trial;
    ++running_;
  }
  auto& trial = trials_[place->second];
  if (!trial.is_running()) return nullptr;
  if (!positions.empty()) trial.positions = std::move(positions);
  trial.step = observation.step;
  trial.violation = std::isnan(observation.violation) ? HUGE_VAL : observation.violation;
  trial.values.clear();
  bool valid = observation.values.size() == maximize_.size();
  for (auto value : observation.values) valid = valid && std::isfinite(value);
  for (size_t i = 0; valid && i < maximize_.size(); ++i)
    trial.values.push_back(maximize_[i] ? -observation.values[i] : observation.values[i]);
  trial.outcome = observation.outcome;
  if (trial.outcome == Outcome::completed && !valid) trial.outcome = Outcome::failed;
  if (trial.is_running()) return &trial;
  --running_;
  if (trial.outcome != Outcome::cancelled) ended_.push_back(place->second);
  if (trial.has_result()) ++results_;
  return &trial;
}

const Trial* TrialLedger::find(uint64_t number) const {
  auto place = places_.find(number);
  return place == places_.end() ? nullptr : &trials_[place->second];
}

}  // namespace troupe::hpo
