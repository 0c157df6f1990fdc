// The percentile rule, of which the median rule is one case: a trial whose best value so far is
// worse than that percentile of what completed trials had at the same resource ends. One thread.
#pragma once

#include "hpo/stopper.hpp"

#include <map>

namespace troupe::hpo {

/// Between two neighbours by their distance, as numpy does it. The values need not be sorted.
double percentile(std::vector<double> values, double percent);

class Percentile final : public Stopper {
 public:
  explicit Percentile(EarlyStop rule);

 protected:
  Verdict judge(uint64_t trial, double resource, double value) override;
  void ended(uint64_t trial, Outcome outcome) override;

 private:
  struct Curve {
    double best;
    std::vector<std::pair<int64_t, double>> values;  // by the look
  };

  std::unordered_map<uint64_t, Curve> live_;
  std::map<int64_t, std::vector<double>> completed_;  // values by the look
  uint64_t ended_ = 0;
};

}  // namespace troupe::hpo
