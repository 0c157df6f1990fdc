// Bayesian optimisation: a Gaussian process over what was tried, the next point where the logarithm
// of expected improvement is largest (Jones 1998; Ament arXiv:2310.20708). Running trials count by
// fantasies: values drawn from the process itself. One thread.
#pragma once

#include "hpo/adaptive.hpp"

#include <memory>

namespace troupe::hpo {

struct GpSettings {
  uint64_t start_trials = 10;  // Sobol points
  int candidates = 2048;
  int starts = 10;  // climbs from the best candidates
  int fantasies = 8;
};

/// `invalid` for several objectives.
Result<std::unique_ptr<Sampler>> make_gp_sampler(Space space, SearchSettings settings,
                                                 GpSettings gp = {});

}  // namespace troupe::hpo
