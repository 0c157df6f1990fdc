// Hyperband as a rule that stops: each trial belongs to one of several brackets, drawn by the sizes
// that Hyperband gives them, and is halved among its own; later brackets begin to halve later. So
// no single guess of the first rung decides. (Li et al., arXiv:1603.06560.) With a strategy that
// learns it is BOHB (arXiv:1807.01774). One thread.
#pragma once

#include "hpo/rungs.hpp"
#include "hpo/stopper.hpp"

namespace troupe::hpo {

class Hyperband final : public Stopper {
 public:
  Hyperband(EarlyStop rule, uint64_t seed);
  /// Depends on the seed and the trial's number alone.
  size_t bracket_of(uint64_t trial) const;
  size_t brackets() const { return ladders_.size(); }

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  uint64_t seed_;
  std::vector<RungLadder> ladders_;
  std::vector<uint64_t> shares_;                 // of each bracket, with those before it
  std::unordered_map<uint64_t, size_t> passed_;  // rungs, of trials that live
};

}  // namespace troupe::hpo
