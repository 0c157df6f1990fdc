// Asynchronous successive halving in its promoting form: whoever comes to a rung gives its place
// away and waits; a free place goes to the best one that waits at the highest rung, as long as it
// is among the best 1/eta of all that ever came there, else to a new trial. (Li et al.,
// arXiv:1810.05934, Algorithm 2.) One thread.
#pragma once

#include "hpo/rungs.hpp"
#include "hpo/stopper.hpp"

#include <set>

namespace troupe::hpo {

class Promotion final : public Stopper {
 public:
  explicit Promotion(EarlyStop rule);
  std::optional<uint64_t> promotable() const override;
  void promote(uint64_t trial) override;

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  struct Level {
    double resource = 0;
    std::set<std::pair<double, uint64_t>> all;      // values that came, and whose
    std::set<std::pair<double, uint64_t>> waiting;  // of these, those that were not promoted
  };

  std::vector<Level> levels_;  // but the last, at which nothing is left to be promoted
  std::unordered_map<uint64_t, std::pair<size_t, double>> at_;  // level and value of who waits
  std::unordered_map<uint64_t, size_t> passed_;                 // levels, of trials that live
};

}  // namespace troupe::hpo
