// What an adaptive sampler has been told, as it computes with it: positions instead of values, and
// every objective as one to minimise. Grows by one entry a trial. Owned by its sampler; one thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/observation.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace troupe::hpo {

/// One trial as samplers see it.
struct Trial {
  uint64_t number = 0;
  Outcome outcome = Outcome::running;
  Positions positions;
  std::vector<double> values;  // to minimise, finite; empty where there are none
  double step = 0;
  double violation = 0;

  /// Whether its values can be learned from.
  bool has_result() const {
    return (outcome == Outcome::completed || outcome == Outcome::stopped) && !values.empty();
  }
  bool is_failed() const { return outcome == Outcome::failed; }
  bool is_running() const { return outcome == Outcome::running; }
};

class TrialLedger {
 public:
  explicit TrialLedger(std::vector<bool> maximize) : maximize_{std::move(maximize)} {}

  size_t objectives() const { return maximize_.size(); }
  /// Takes an observation; `positions` are those of its point. A trial that says completed and has
  /// no finite value for each objective counts as failed. What an ended trial is said to be later
  /// is not heard: gives nullptr.
  const Trial* take(const Observation& observation, Positions positions);
  const Trial* find(uint64_t number) const;

  /// In the order in which trials were first heard of.
  const std::vector<Trial>& trials() const { return trials_; }
  /// Places in trials() of those with a result or failed, in the order in which they ended.
  const std::vector<size_t>& ended() const { return ended_; }
  /// How many have a result.
  uint64_t results() const { return results_; }
  uint64_t running() const { return running_; }

 private:
  std::vector<bool> maximize_;
  std::vector<Trial> trials_;
  std::vector<size_t> ended_;
  std::unordered_map<uint64_t, size_t> places_;
  uint64_t results_ = 0, running_ = 0;
};

}  // namespace troupe::hpo
