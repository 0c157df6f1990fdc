// Population-based training: at each interval a member that is among the worst of those that live
// ends, and a copy of one of the best takes its place: its checkpoint, and its parameters with some
// change. (Jaderberg et al., arXiv:1711.09846: truncation selection, perturb or resample.) One
// thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/stopper.hpp"

#include <string>
#include <unordered_set>

namespace troupe::hpo {

class Pbt final : public Stopper {
 public:
  Pbt(EarlyStop rule, uint64_t seed) : Stopper{std::move(rule)}, seed_{seed} {}
  /// It begins where its donor stood, so it has an interval of its own before it is compared.
  void copied(uint64_t trial) override { copies_.insert(trial); }

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  std::vector<std::pair<double, uint64_t>> ranking() const;

  uint64_t seed_;
  std::unordered_map<uint64_t, double> standings_;  // values of trials that live, when they were
                                                    // last compared
  std::unordered_map<uint64_t, double> intervals_;  // the last that each has come to
  std::unordered_set<uint64_t> copies_;             // that have not reported yet
};

/// What a copy tries: each active parameter is drawn anew with the probability `resample`, else its
/// value is multiplied by 1.2 or 0.8 and stays inside its range, or, of listed values, becomes a
/// neighbour. `how` says what was done in words.
Point perturbed(const Encoding& encoding, const Point& donor, double resample, uint64_t seed,
                uint64_t trial, std::string& how);

}  // namespace troupe::hpo
