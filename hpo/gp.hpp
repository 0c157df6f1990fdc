// A Gaussian process over the unit box: Matern 5/2 with a length scale for each parameter, distance
// 0 or 1 between categories, constant mean 0 over standardised values. Kernel parameters by maximum
// a posteriori with Optuna's priors. Pure values; deterministic.
#pragma once

#include <Eigen/Dense>

#include <cstdint>
#include <vector>

namespace troupe::hpo {

// Shapes below: n points of d parameters, and m columns of values.

struct GpKernel {
  Eigen::VectorXd inverse_squares;  // d: 1 / (length scale)^2
  double scale = 1;                 // variance of the function
  double noise = 1e-2;              // variance of an observation; at least gp_noise_min
};
inline constexpr double gp_noise_min = 1e-6;

struct GpData {
  Eigen::MatrixXd x;              // n x d, in [0, 1]; of categories the choice's number
  std::vector<bool> is_category;  // d
};

/// Covariances of the rows of a (p x d) with those of b (q x d), without noise: p x q.
Eigen::MatrixXd gp_covariance(const GpKernel& kernel, const std::vector<bool>& is_category,
                              const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);

/// -log(likelihood x priors) of y (n values, standardised). `gradient` is given the d + 2
/// derivatives by (log inverse_squares..., log scale, log noise); null: not wanted.
double gp_loss(const GpKernel& kernel, const GpData& data, const Eigen::VectorXd& y,
               Eigen::VectorXd* gradient);
/// The kernel of least loss, by L-BFGS from so many fixed starts, at most `iterations` from each.
GpKernel gp_fit(const GpData& data, const Eigen::VectorXd& y, int starts, int iterations);

/// What is known after n observations: mean and variance anywhere. The m columns of y (n x m) are
/// as many processes that share kernel and points. Making one costs O(n^3), a prediction O(n^2).
class Gp {
 public:
  Gp(GpKernel kernel, GpData data, Eigen::MatrixXd y);

  struct Prediction {
    Eigen::VectorXd means;           // m
    double variance = 0;             // of the function, without noise
    Eigen::MatrixXd mean_slopes;     // d x m; empty without slopes
    Eigen::VectorXd variance_slope;  // d; likewise
  };
  /// At one point; slopes are 0 along categories.
  Prediction at(const Eigen::VectorXd& point, bool with_slopes) const;
  /// At the rows of a matrix (p x d): means (p x m) and variances (p), which it makes as large.
  void at_all(const Eigen::MatrixXd& points, Eigen::MatrixXd& means,
              Eigen::VectorXd& variances) const;
  /// The covariance of the function at the rows of a matrix (p x d): p x p.
  Eigen::MatrixXd covariance_at(const Eigen::MatrixXd& points) const;

  size_t dimension() const { return static_cast<size_t>(data_.x.cols()); }
  const GpKernel& kernel() const { return kernel_; }

 private:
  GpKernel kernel_;
  GpData data_;
  Eigen::MatrixXd weights_;  // K^-1 y
  Eigen::MatrixXd inverse_;  // K^-1
};

}  // namespace troupe::hpo
