// Patience: a trial that has not become better for so much of the resource ends. It looks at no
// other trial. One thread.
#pragma once

#include "hpo/stopper.hpp"

namespace troupe::hpo {

class Patience final : public Stopper {
 public:
  explicit Patience(EarlyStop rule) : Stopper{std::move(rule)} {}

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  struct Best {
    double value;
    double resource;
  };
  std::unordered_map<uint64_t, Best> best_;  // of trials that live
};

}  // namespace troupe::hpo
