// The standard normal distribution where plain erf is not good enough: in the tails, between two
// bounds, and upside down. Pure functions.
#pragma once

namespace troupe::hpo {

inline constexpr double log_sqrt_two_pi = 0.91893853320467274178;

/// P(Z <= z), with full relative precision in the lower tail.
double normal_below(double z);
/// P(a < Z <= b) for a <= b, without cancellation where both lie on one side.
double normal_between(double a, double b);
/// The z with P(Z <= z) = p, p in (0, 1). Wichura's algorithm AS 241 (1988), to about 1e-16.
double normal_quantile(double p);

}  // namespace troupe::hpo
