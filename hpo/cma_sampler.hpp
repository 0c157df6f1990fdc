// CMA-ES as a sampler: in a box, points outside are drawn anew; ints keep a margin of probability
// on both neighbours (Hamano et al. 2022); a run that stands still begins again elsewhere with
// twice the population (IPOP, Auger & Hansen 2005). One thread.
#pragma once

#include "hpo/adaptive.hpp"
#include "hpo/cma.hpp"

#include <memory>

namespace troupe::hpo {

struct CmaSettings {
  /// Separable from this many parameters on: the full one learns their covariances too slowly and
  /// costs their cube.
  size_t separable_from = 65;
  bool restart = true;
};

/// `invalid` where a parameter has no order (categories of three or more) and where there are
/// several objectives.
Result<std::unique_ptr<Sampler>> make_cma_sampler(Space space, SearchSettings settings,
                                                  CmaSettings cma = {});

/// Moves the mean and the scale of one coordinate so that each neighbour of the mean's own value
/// keeps a chance of at least `least` / 2; at an end, the way back at least `least`. `low` and
/// `high` are the bounds of that value; infinite where it is the outer one.
struct Margin {
  double mean, scale;  // scale multiplies the deviation
};
Margin keep_margin(double mean, double deviation, double scale, double low, double high,
                   double least);

}  // namespace troupe::hpo
