#include "hpo/gp.hpp"

#include <cmath>

namespace troupe::hpo {
namespace {

constexpr double root5 = 2.23606797749978969641;

/// Sums over parameters of inverse_square x distance^2.
Eigen::MatrixXd squared_distances(const GpKernel& kernel, const std::vector<bool>& is_category,
                                  const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(a.rows(), b.rows());
  for (Eigen::Index j = 0; j < a.cols(); ++j) {
    const double weight = kernel.inverse_squares[j];
    const bool category = is_category[static_cast<size_t>(j)];
    for (Eigen::Index k = 0; k < b.rows(); ++k) {
      const double other = b(k, j);
      if (category)
        out.col(k).array() += weight * (a.col(j).array() != other).cast<double>();
      else
        out.col(k).array() += weight * (a.col(j).array() - other).square();
    }
  }
  return out;
}

/// Matern 5/2 of squared distances.
Eigen::ArrayXXd matern(const Eigen::ArrayXXd& squares) {
  const Eigen::ArrayXXd r = root5 * squares.sqrt();
  return (1 + r + squares * (5.0 / 3)) * (-r).exp();
}

/// Its derivative by the squared distance.
Eigen::ArrayXXd matern_slope(const Eigen::ArrayXXd& squares) {
  const Eigen::ArrayXXd r = root5 * squares.sqrt();
  return (-5.0 / 6) * (1 + r) * (-r).exp();
}

}  // namespace

Eigen::MatrixXd gp_covariance(const GpKernel& kernel, const std::vector<bool>& is_category,
                              const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  return kernel.scale * matern(squared_distances(kernel, is_category, a, b).array());
}

double gp_loss(const GpKernel& kernel, const GpData& data, const Eigen::VectorXd& y,
               Eigen::VectorXd* gradient) {
  const auto n = data.x.rows(), d = data.x.cols();
  const Eigen::ArrayXXd squares =
      squared_distances(kernel, data.is_category, data.x, data.x).array();
  Eigen::MatrixXd covariance = kernel.scale * matern(squares);
  covariance.diagonal().array() += kernel.noise;
  const Eigen::LLT<Eigen::MatrixXd> factor{covariance};
  if (factor.info() != Eigen::Success) return HUGE_VAL;
  const Eigen::VectorXd weights = factor.solve(y);
  const auto& logs = kernel.inverse_squares.array();
  // Priors as in Optuna: length scales neither far below nor far above the box; Gamma(2, 1) for the
  // scale, Gamma(1.1, 30) for the noise.
  double loss = 0.5 * y.dot(weights) + factor.matrixLLT().diagonal().array().log().sum();
  loss += (0.1 / logs + 0.1 * logs).sum();
  loss -= std::log(kernel.scale) - kernel.scale;
  loss -= 0.1 * std::log(kernel.noise) - 30 * kernel.noise;
  if (gradient == nullptr) return loss;
  // d loss = 1/2 tr((K^-1 - w w') dK)
  Eigen::MatrixXd outer = factor.solve(Eigen::MatrixXd::Identity(n, n));
  outer.noalias() -= weights * weights.transpose();
  const Eigen::MatrixXd slopes = (kernel.scale * matern_slope(squares) * outer.array()).matrix();
  const Eigen::VectorXd row_sums = slopes.rowwise().sum();
  gradient->resize(d + 2);
  const Eigen::MatrixXd moved = slopes * data.x;
  for (Eigen::Index j = 0; j < d; ++j) {
    double sum = 0;
    if (data.is_category[static_cast<size_t>(j)]) {
      for (Eigen::Index k = 0; k < n; ++k)
        sum +=
            ((data.x.col(j).array() != data.x(k, j)).cast<double>() * slopes.col(k).array()).sum();
    } else {
      // The sum over pairs of slope x (x_a - x_b)^2, by the matrix products above.
      sum = 2 * (data.x.col(j).array().square().matrix().dot(row_sums) -
                 data.x.col(j).dot(moved.col(j)));
    }
    (*gradient)[j] = 0.5 * logs[j] * sum - 0.1 / logs[j] + 0.1 * logs[j];
  }
  covariance.diagonal().array() -= kernel.noise;
  (*gradient)[d] = 0.5 * covariance.cwiseProduct(outer).sum() - 1 + kernel.scale;
  (*gradient)[d + 1] = 0.5 * kernel.noise * outer.trace() - 0.1 + 30 * kernel.noise;
  return loss;
}

Gp::Gp(GpKernel kernel, GpData data, Eigen::MatrixXd y)
    : kernel_{std::move(kernel)}, data_{std::move(data)} {
  const auto n = data_.x.rows();
  Eigen::MatrixXd covariance = gp_covariance(kernel_, data_.is_category, data_.x, data_.x);
  // Points that are almost equal may leave it singular: more noise until it is not.
  for (double noise = kernel_.noise;; noise *= 10) {
    Eigen::MatrixXd noisy = covariance;
    noisy.diagonal().array() += noise;
    const Eigen::LLT<Eigen::MatrixXd> factor{noisy};
    if (factor.info() != Eigen::Success && noise < 1e6) continue;
    inverse_ = factor.solve(Eigen::MatrixXd::Identity(n, n));
    weights_ = factor.solve(y);
    return;
  }
}

Gp::Prediction Gp::at(const Eigen::VectorXd& point, bool with_slopes) const {
  Eigen::MatrixXd row = point.transpose();
  const Eigen::ArrayXXd squares =
      squared_distances(kernel_, data_.is_category, data_.x, row).array();
  const Eigen::VectorXd near = kernel_.scale * matern(squares);
  const Eigen::VectorXd solved = inverse_ * near;
  Prediction out;
  out.means = weights_.transpose() * near;
  out.variance = std::max(kernel_.scale - near.dot(solved), 1e-12);
  if (!with_slopes) return out;
  const Eigen::VectorXd slopes = 2 * kernel_.scale * matern_slope(squares);
  const auto d = data_.x.cols();
  out.mean_slopes = Eigen::MatrixXd::Zero(d, weights_.cols());
  out.variance_slope = Eigen::VectorXd::Zero(d);
  for (Eigen::Index j = 0; j < d; ++j) {
    if (data_.is_category[static_cast<size_t>(j)]) continue;
    const Eigen::VectorXd by_point =
        (kernel_.inverse_squares[j] * slopes.array() * (point[j] - data_.x.col(j).array()));
    out.mean_slopes.row(j) = by_point.transpose() * weights_;
    out.variance_slope[j] = -2 * by_point.dot(solved);
  }
  return out;
}

void Gp::at_all(const Eigen::MatrixXd& points, Eigen::MatrixXd& means,
                Eigen::VectorXd& variances) const {
  const Eigen::MatrixXd near = gp_covariance(kernel_, data_.is_category, data_.x, points);
  means.noalias() = near.transpose() * weights_;
  const Eigen::MatrixXd solved = inverse_ * near;
  variances = (kernel_.scale - near.cwiseProduct(solved).colwise().sum().transpose().array())
                  .max(1e-12)
                  .matrix();
}

Eigen::MatrixXd Gp::covariance_at(const Eigen::MatrixXd& points) const {
  const Eigen::MatrixXd near = gp_covariance(kernel_, data_.is_category, data_.x, points);
  return gp_covariance(kernel_, data_.is_category, points, points) -
         near.transpose() * (inverse_ * near);
}

}  // namespace troupe::hpo
