#include "hpo/log_ei.hpp"

#include "hpo/normal.hpp"

#include <cmath>

namespace troupe::hpo {
namespace {

// Below it, what is left of 1 - t R(t) after the subtraction has too few digits; the series has
// them all from here on.
constexpr double series_from = 25;

/// Mills' ratio R(t) = P(Z > t) / phi(t) and 1 - t R(t), for t > 0.
struct Mills {
  double ratio, rest;
};

Mills mills(double t) {
  if (t < series_from) {
    // exp and erfc are both far from their limits here.
    const double ratio = normal_below(-t) * std::exp(0.5 * t * t + log_sqrt_two_pi);
    return {ratio, 1 - t * ratio};
  }
  // t R(t) = 1 - 1/t^2 + 3/t^4 - 15/t^6 + ...
  const double step = 1 / (t * t);
  double term = 1, rest = 0;
  for (int k = 1; k <= 9; ++k) {
    term *= -(2 * k - 1) * step;
    rest -= term;
  }
  return {(1 - rest) / t, rest};
}

}  // namespace

double log_improvement(double z) {
  const double log_density = -0.5 * z * z - log_sqrt_two_pi;
  if (z > -1) return std::log(std::exp(log_density) + z * normal_below(z));
  return log_density + std::log(mills(-z).rest);
}

double log_improvement_slope(double z) {
  if (z > -1)
    return normal_below(z) / (std::exp(-0.5 * z * z - log_sqrt_two_pi) + z * normal_below(z));
  const auto parts = mills(-z);
  return parts.ratio / parts.rest;
}

}  // namespace troupe::hpo
