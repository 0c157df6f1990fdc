// Covariance matrix adaptation, the strategy itself: a normal distribution that follows the better
// half of what was drawn from it. Full (Hansen arXiv:1604.00772, with negative weights) and
// separable (Ros & Hansen 2008), with the constants of CyberAgentAILab/cmaes. Minimises. No box, no
// random numbers of its own: cma_sampler.hpp has both. Plain value.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace troupe::hpo {

class Cma {
 public:
  enum class Shape : uint8_t { full, separable };
  using Vector = std::vector<double>;  // dimension() numbers, unless said otherwise

  struct Solution {
    Vector x;              // as sample() gave it
    double value = 0;      // infinity for one that failed
    double violation = 0;  // of constraints: more is worse, whatever the value
  };

  /// At least one dimension; `sigma` > 0 is the first step size along each coordinate; `population`
  /// 0: 4 + floor(3 ln d).
  Cma(Vector mean, double sigma, size_t population = 0, Shape shape = Shape::full);

  size_t dimension() const { return mean_.size(); }
  size_t population() const { return population_; }
  uint64_t generation() const { return generation_; }

  /// The point that standard normal numbers stand for.
  Vector sample(const Vector& normals) const;
  /// The next generation, from population() solutions of this one.
  void tell(std::vector<Solution> solutions);
  /// Why going on has no sense; empty while it has.
  std::string stop_reason() const;

  const Vector& mean() const { return mean_; }
  double sigma() const { return sigma_; }
  /// d x d, row by row; of the separable shape the diagonal alone.
  const Vector& covariance() const { return covariance_; }
  /// The evolution paths of the step size and of the covariance.
  const Vector& path_sigma() const { return path_sigma_; }
  const Vector& path_c() const { return path_c_; }
  /// The standard deviation along one coordinate.
  double deviation(size_t i) const;
  /// For corrections from outside, between generations.
  void move_mean(size_t i, double to) { mean_[i] = to; }

 private:
  void set_weights();
  void set_rates();
  void adapt_full(const std::vector<Vector>& steps, const Vector& mean_step);
  void adapt_separable(const std::vector<Vector>& steps, const Vector& mean_step);
  /// The paths and sigma, from the mean step whitened; gives h_sigma.
  double follow_paths(const Vector& whitened, const Vector& mean_step);
  void decompose();
  double variance(size_t i) const;

  Shape shape_;
  size_t population_ = 0, parents_ = 0;
  Vector weights_;  // all of them; negative ones of the full shape alone
  double mu_eff_ = 0, mu_eff_minus_ = 0;
  double c1_ = 0, cmu_ = 0, cc_ = 0, c_sigma_ = 0, d_sigma_ = 0, chi_ = 0;

  Vector mean_;
  double sigma_ = 0, sigma_start_ = 0;
  Vector covariance_, path_sigma_, path_c_;
  Vector axes_, scales_;  // covariance = axes scales^2 axes'; axes column by column
  uint64_t generation_ = 0;
  std::deque<std::pair<double, double>> ranges_;  // best and worst of the last generations
};

}  // namespace troupe::hpo
