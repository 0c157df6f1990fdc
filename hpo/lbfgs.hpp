// L-BFGS in a box: minimises a smooth function from its gradient, variables at a bound that want to
// leave it held there (projected, after Nocedal & Wright, ch. 7 and 16). Pure; deterministic.
#pragma once

#include <functional>
#include <vector>

namespace troupe::hpo {

struct LbfgsSettings {
  int iterations = 100;
  double gradient_tolerance = 1e-4;  // ends: the largest component that is free to move is smaller
  double value_tolerance = 1e-9;     // ends: the value's relative change is smaller
  int memory = 8;                    // steps from which the curvature is estimated
};

/// Gives the value at x and writes the gradient, which is as long as x already.
using Smooth = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

struct Minimum {
  std::vector<double> x;
  double value = 0;
};

/// `low` and `high` are as long as `start`; start is moved into them.
Minimum minimise(const Smooth& function, std::vector<double> start, const std::vector<double>& low,
                 const std::vector<double>& high, const LbfgsSettings& settings = {});

}  // namespace troupe::hpo
