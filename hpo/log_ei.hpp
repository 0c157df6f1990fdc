// The logarithm of expected improvement, exact where improvement is as good as impossible (Ament et
// al. arXiv:2310.20708): its gradient still says where to go. Pure functions.
#pragma once

namespace troupe::hpo {

/// log(z Phi(z) + phi(z)): of the expectation of max(z + N(0, 1), 0).
double log_improvement(double z);
/// Its derivative: Phi(z) / (z Phi(z) + phi(z)).
double log_improvement_slope(double z);

}  // namespace troupe::hpo
