// Tree-structured Parzen estimator (Bergstra 2011; settings of Optuna's): trials are split into a
// good and a bad group, and the point drawn from the good one's density that the bad one's likes
// least is tried. Running trials count as bad ("constant liar"), so that others are not sent to the
// same place. One thread.
#pragma once

#include "hpo/adaptive.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe::hpo {

struct TpeSettings {
  bool multivariate = true;  // one density over all parameters; else one for each
  bool liar = true;
  uint64_t start_trials = 10;  // drawn at random
  uint64_t candidates = 24;
};

struct TpeSplit {
  std::vector<const Trial*> good, bad;  // each in the order of trial numbers
};

/// How many of so many finished trials are good: a tenth, at most 25.
uint64_t tpe_good_count(uint64_t finished);

/// Completed trials by value, then stopped ones (those that came further first), then those that
/// break constraints or failed; with `liar` running ones before these. Of several objectives: by
/// ranks of domination, the last rank by hypervolume.
TpeSplit tpe_split(const TrialLedger& ledger, bool liar);

std::unique_ptr<Sampler> make_tpe_sampler(Space space, SearchSettings settings,
                                          TpeSettings tpe = {});

}  // namespace troupe::hpo
