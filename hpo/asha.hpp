// Asynchronous successive halving in its stopping form: whoever reaches a rung outside the best
// 1/eta of those that came there before ends. (Li et al., arXiv:1810.05934; the variant that never
// waits and never pauses.) One thread.
#pragma once

#include "hpo/rungs.hpp"
#include "hpo/stopper.hpp"

namespace troupe::hpo {

class Asha final : public Stopper {
 public:
  explicit Asha(EarlyStop rule);

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  RungLadder ladder_;
  std::unordered_map<uint64_t, size_t> passed_;  // rungs, of trials that live
};

}  // namespace troupe::hpo
