#include "hpo/cma.hpp"

#include "runtime/core/assert.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::hpo {
namespace {

using Map = Eigen::Map<Eigen::VectorXd>;
using ConstMap = Eigen::Map<const Eigen::VectorXd>;
using MatrixMap = Eigen::Map<Eigen::MatrixXd>;
using ConstMatrixMap = Eigen::Map<const Eigen::MatrixXd>;

constexpr double tiny = 1e-8;
constexpr double sigma_max = 1e32;

Eigen::Index index(size_t i) {
  return static_cast<Eigen::Index>(i);
}
Map map(std::vector<double>& v) {
  return {v.data(), index(v.size())};
}
ConstMap map(const std::vector<double>& v) {
  return {v.data(), index(v.size())};
}
ConstMatrixMap square(const std::vector<double>& v, size_t n) {
  return {v.data(), index(n), index(n)};
}

double effective(const double* first, const double* last) {
  double sum = 0, squares = 0;
  for (auto* w = first; w != last; ++w) sum += *w, squares += *w * *w;
  return squares == 0 ? 0 : sum * sum / squares;
}

}  // namespace

Cma::Cma(Vector mean, double sigma, size_t population, Shape shape)
    : shape_{shape},
      population_{population},
      mean_{std::move(mean)},
      sigma_{sigma},
      sigma_start_{sigma} {
  const size_t n = mean_.size();
  TROUPE_ASSERT(n > 0 && sigma > 0, "no distribution to adapt");
  if (population_ == 0) population_ = 4 + static_cast<size_t>(3 * std::log(static_cast<double>(n)));
  TROUPE_ASSERT(population_ >= 4, "a population too small to choose from");
  parents_ = population_ / 2;
  set_weights();
  set_rates();
  path_sigma_.assign(n, 0);
  path_c_.assign(n, 0);
  scales_.assign(n, 1);
  if (shape_ == Shape::separable) {
    covariance_.assign(n, 1);
    return;
  }
  covariance_.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i) covariance_[i * n + i] = 1;
  axes_ = covariance_;
}

void Cma::set_weights() {
  const auto lambda = static_cast<double>(population_), mu = static_cast<double>(parents_);
  weights_.assign(population_, 0);
  for (size_t i = 0; i < population_; ++i) {
    const double rank = std::log(static_cast<double>(i + 1));
    if (shape_ == Shape::full) weights_[i] = std::log((lambda + 1) / 2) - rank;
    if (shape_ == Shape::separable && i < parents_) weights_[i] = std::log(mu + 1) - rank;
  }
  const double* first = weights_.data();
  mu_eff_ = effective(first, first + parents_);
  mu_eff_minus_ = effective(first + parents_, first + population_);
}

void Cma::set_rates() {
  const auto d = static_cast<double>(dimension());
  c1_ = 2 / ((d + 1.3) * (d + 1.3) + mu_eff_);
  double negative = 0;
  if (shape_ == Shape::full) {
    cmu_ =
        std::min(1 - c1_ - tiny, 2 * (mu_eff_ - 2 + 1 / mu_eff_) / ((d + 2) * (d + 2) + mu_eff_));
    negative = std::min(
        {1 + c1_ / cmu_, 1 + 2 * mu_eff_minus_ / (mu_eff_ + 2), (1 - c1_ - cmu_) / (d * cmu_)});
    c_sigma_ = (mu_eff_ + 2) / (d + mu_eff_ + 5);
    cc_ = (4 + mu_eff_ / d) / (d + 4 + 2 * mu_eff_ / d);
  } else {
    const double root = d + std::sqrt(2.0);
    const double full =
        2 / (mu_eff_ * root * root) +
        (1 - 1 / mu_eff_) * std::min(1.0, (2 * mu_eff_ - 1) / ((d + 2) * (d + 2) + mu_eff_));
    cmu_ = (d + 2) / 3 * full;
    c_sigma_ = (mu_eff_ + 2) / (d + mu_eff_ + 3);
    cc_ = 4 / (d + 4);
  }
  d_sigma_ = 1 + 2 * std::max(0.0, std::sqrt((mu_eff_ - 1) / (d + 1)) - 1) + c_sigma_;
  chi_ = std::sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
  double above = 0, below = 0;
  for (auto weight : weights_) (weight >= 0 ? above : below) += std::abs(weight);
  for (auto& weight : weights_) weight *= weight >= 0 ? 1 / above : negative / below;
}

double Cma::variance(size_t i) const {
  return covariance_[shape_ == Shape::full ? i * dimension() + i : i];
}

double Cma::deviation(size_t i) const {
  return sigma_ * std::sqrt(variance(i));
}

Cma::Vector Cma::sample(const Vector& normals) const {
  Vector x(dimension());
  if (shape_ == Shape::separable) {
    map(x) = map(mean_) + sigma_ * map(scales_).cwiseProduct(map(normals));
  } else {
    map(x) = map(mean_) +
             sigma_ * (square(axes_, dimension()) * map(scales_).cwiseProduct(map(normals)));
  }
  return x;
}

void Cma::tell(std::vector<Solution> solutions) {
  TROUPE_ASSERT(solutions.size() == population_, "a generation of the wrong size");
  std::stable_sort(solutions.begin(), solutions.end(), [](const Solution& a, const Solution& b) {
    return std::pair{a.violation, a.value} < std::pair{b.violation, b.value};
  });
  ++generation_;
  const auto d = static_cast<double>(dimension());
  const auto kept = 10 + static_cast<size_t>(std::ceil(30 * d / static_cast<double>(population_)));
  ranges_.emplace_back(solutions.front().value, solutions.back().value);
  if (ranges_.size() > kept) ranges_.pop_front();

  std::vector<Vector> steps;
  Vector mean_step(dimension(), 0);
  for (size_t i = 0; i < population_; ++i) {
    Vector step(dimension());
    map(step) = (map(solutions[i].x) - map(mean_)) / sigma_;
    if (i < parents_) map(mean_step) += weights_[i] * map(step);
    steps.push_back(std::move(step));
  }
  map(mean_) += sigma_ * map(mean_step);
  if (shape_ == Shape::full)
    adapt_full(steps, mean_step);
  else
    adapt_separable(steps, mean_step);
}

double Cma::follow_paths(const Vector& whitened, const Vector& mean_step) {
  map(path_sigma_) = (1 - c_sigma_) * map(path_sigma_) +
                     std::sqrt(c_sigma_ * (2 - c_sigma_) * mu_eff_) * map(whitened);
  const double length = map(path_sigma_).norm();
  sigma_ = std::min(sigma_ * std::exp(c_sigma_ / d_sigma_ * (length / chi_ - 1)), sigma_max);
  const double start =
      std::sqrt(1 - std::pow(1 - c_sigma_, 2 * (static_cast<double>(generation_) + 1)));
  const double h =
      length / start < (1.4 + 2 / (static_cast<double>(dimension()) + 1)) * chi_ ? 1 : 0;
  map(path_c_) =
      (1 - cc_) * map(path_c_) + h * std::sqrt(cc_ * (2 - cc_) * mu_eff_) * map(mean_step);
  return h;
}

void Cma::adapt_full(const std::vector<Vector>& steps, const Vector& mean_step) {
  const size_t n = dimension();
  const Eigen::MatrixXd whiten =
      square(axes_, n) * map(scales_).cwiseInverse().asDiagonal() * square(axes_, n).transpose();
  Vector whitened(n);
  map(whitened) = whiten * map(mean_step);
  const double h = follow_paths(whitened, mean_step);
  double weight_sum = 0;
  for (auto weight : weights_) weight_sum += weight;
  const double lost = (1 - h) * cc_ * (2 - cc_);
  MatrixMap covariance{covariance_.data(), index(n), index(n)};
  covariance *= 1 + c1_ * lost - c1_ - cmu_ * weight_sum;
  covariance += c1_ * map(path_c_) * map(path_c_).transpose();
  for (size_t i = 0; i < population_; ++i) {
    double weight = weights_[i];
    // A bad step takes away variance in proportion to its direction, not to its length.
    if (weight < 0)
      weight *= static_cast<double>(n) / ((whiten * map(steps[i])).squaredNorm() + tiny);
    covariance += cmu_ * weight * map(steps[i]) * map(steps[i]).transpose();
  }
  decompose();
}

void Cma::adapt_separable(const std::vector<Vector>& steps, const Vector& mean_step) {
  Vector whitened(dimension());
  map(whitened) = map(mean_step).cwiseQuotient(map(scales_));
  const double h = follow_paths(whitened, mean_step);
  const double lost = (1 - h) * cc_ * (2 - cc_);
  auto covariance = map(covariance_);
  covariance *= 1 + c1_ * lost - c1_ - cmu_;
  covariance += c1_ * map(path_c_).cwiseAbs2();
  for (size_t i = 0; i < parents_; ++i)
    covariance += cmu_ * weights_[i] * map(steps[i]).cwiseAbs2();
  map(scales_) = covariance.cwiseSqrt();
}

void Cma::decompose() {
  const size_t n = dimension();
  MatrixMap covariance{covariance_.data(), index(n), index(n)};
  covariance = (0.5 * (covariance + covariance.transpose())).eval();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver{covariance};
  MatrixMap{axes_.data(), index(n), index(n)} = solver.eigenvectors();
  for (size_t i = 0; i < n; ++i) {
    // Rounding may have made the smallest negative.
    const double value = solver.eigenvalues()[index(i)];
    scales_[i] = std::sqrt(value < 0 ? tiny : value);
  }
  if (solver.eigenvalues().minCoeff() < 0)
    covariance =
        square(axes_, n) * map(scales_).cwiseAbs2().asDiagonal() * square(axes_, n).transpose();
}

std::string Cma::stop_reason() const {
  const size_t n = dimension();
  const double small = 1e-12 * sigma_start_;
  bool is_small = true, has_no_effect = false;
  for (size_t i = 0; i < n; ++i) {
    is_small = is_small && sigma_ * variance(i) < small && sigma_ * std::abs(path_c_[i]) < small;
    has_no_effect = has_no_effect || mean_[i] == mean_[i] + 0.2 * deviation(i);
  }
  if (is_small) return "its steps are too small to matter";
  const auto kept = 10 + static_cast<size_t>(std::ceil(30 * static_cast<double>(n) /
                                                       static_cast<double>(population_)));
  if (generation_ > kept) {
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (const auto& [best, worst] : ranges_) {
      least = std::min(least, best);
      most = std::max(most, worst);
    }
    if (most - least < 1e-12 || least == HUGE_VAL) return "values differ no more";
  }
  const auto [narrow, wide] = std::minmax_element(scales_.begin(), scales_.end());
  if (sigma_ * *wide > 1e4) return "it grows without end";
  if (*wide > 1e14 * *narrow) return "its shape has become degenerate";
  if (has_no_effect) return "its steps have no effect";
  const size_t i = generation_ % n;
  if (shape_ == Shape::full) {
    bool moves = false;
    for (size_t j = 0; j < n; ++j)
      moves = moves || mean_[j] != mean_[j] + 0.1 * sigma_ * scales_[i] * axes_[i * n + j];
    if (!moves) return "its steps have no effect";
  }
  return "";
}

}  // namespace troupe::hpo
