// A Gaussian process over the unit box: Matern 5/2 with a length scale for each parameter, distance
// 0 or 1 between categories, constant mean 0 over standardised values. Kernel parameters by maximum
// a posteriori with Optuna's priors. Pure values; deterministic.
#pragma once

#include <Eigen/Dense>

#include <cstdint>
#include <vector>

namespace troupe::hpo {

struct GpKernel {
  Eigen::VectorXd inverse_squares;  // of the length scales
  double scale = 1;
  double noise = 1e-2;  // variance of an observation; at least gp_noise_min
};
inline constexpr double gp_noise_min = 1e-6;

struct GpData {
  Eigen::MatrixXd x;              // a point a row, in [0, 1]; of categories the choice's number
  std::vector<bool> is_category;  // by column
};

/// Covariances of the rows of a with those of b, without noise.
Eigen::MatrixXd gp_covariance(const GpKernel& kernel, const std::vector<bool>& is_category,
                              const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);

/// -log(likelihood x priors) and its gradient by (log inverse_squares..., log scale, log noise).
double gp_loss(const GpKernel& kernel, const GpData& data, const Eigen::VectorXd& y,
               Eigen::VectorXd* gradient);
/// The kernel of least loss, from so many fixed starts.
GpKernel gp_fit(const GpData& data, const Eigen::VectorXd& y, int starts, int iterations);

/// What is known after n observations: mean and variance anywhere. Several columns of y are several
/// processes that share kernel and points.
class Gp {
 public:
  Gp(GpKernel kernel, GpData data, Eigen::MatrixXd y);

  struct Prediction {
    Eigen::VectorXd means;        // one for each column of y
    double variance = 0;          // of the function, without noise
    Eigen::MatrixXd mean_slopes;  // by parameter (rows) and column of y
    Eigen::VectorXd variance_slope;
  };
  /// At one point; slopes are 0 along categories.
  Prediction at(const Eigen::VectorXd& point, bool with_slopes) const;
  /// At the rows of a matrix: means a column of y each, and variances.
  void at_all(const Eigen::MatrixXd& points, Eigen::MatrixXd& means,
              Eigen::VectorXd& variances) const;
  /// The covariance of the function at the rows of a matrix.
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
