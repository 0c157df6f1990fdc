#include "hpo/parzen.hpp"

#include "hpo/normal.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace troupe::hpo {
namespace {

using Kind = Coordinate::Kind;

bool has_mass(const Coordinate& coordinate) {
  return coordinate.kind() == Kind::whole && !coordinate.is_log();
}

Eigen::Map<const Eigen::ArrayXd> array(const std::vector<double>& values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

/// The larger gap to a neighbour of each; the outer ones have one neighbour alone. The prior's mean
/// is the last and stands after observations equal to it.
std::vector<double> neighbour_gaps(const std::vector<double>& means) {
  std::vector<std::pair<double, size_t>> order;
  order.reserve(means.size());
  for (size_t k = 0; k < means.size(); ++k) order.emplace_back(means[k], k);
  std::sort(order.begin(), order.end());
  std::vector<double> gaps(means.size());
  for (size_t i = 0; i < order.size(); ++i) {
    double gap = 0;
    if (i > 0) gap = order[i].first - order[i - 1].first;
    if (i + 1 < order.size()) gap = std::max(gap, order[i + 1].first - order[i].first);
    gaps[order[i].second] = gap;
  }
  return gaps;
}

}  // namespace

std::vector<double> parzen_weights(size_t observations) {
  constexpr size_t full = 25;
  std::vector<double> weights(observations, 1.0);
  if (observations <= full) return weights;
  const size_t ramp = observations - full;
  const double least = 1 / static_cast<double>(observations);
  for (size_t i = 0; i < ramp; ++i)
    weights[i] = ramp == 1
                     ? least
                     : least + (1 - least) * static_cast<double>(i) / static_cast<double>(ramp - 1);
  return weights;
}

Parzen::Parzen(const Encoding& encoding, std::vector<size_t> axes,
               const std::vector<const Positions*>& observations, Bandwidth bandwidth)
    : axes_{std::move(axes)}, weights_{parzen_weights(observations.size())} {
  weights_.push_back(1);
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (auto& weight : weights_) weight /= sum;
  cumulated_.resize(weights_.size());
  std::partial_sum(weights_.begin(), weights_.end(), cumulated_.begin());
  for (auto weight : weights_) log_base_.push_back(std::log(weight));
  kernels_.reserve(axes_.size());
  for (auto axis : axes_) add_axis(encoding[axis], observations, axis, bandwidth);
}

void Parzen::add_axis(const Coordinate& coordinate,
                      const std::vector<const Positions*>& observations, size_t axis,
                      Bandwidth bandwidth) {
  auto& kernels = kernels_.emplace_back();
  kernels.coordinate = &coordinate;
  const size_t count = observations.size() + 1;
  if (coordinate.kind() == Kind::constant) return;
  if (coordinate.kind() == Kind::category) {
    for (const auto* positions : observations) kernels.choices.push_back((*positions)[axis]);
    kernels.choices.push_back(-1);
    return;
  }
  const double width = coordinate.width();
  for (const auto* positions : observations) kernels.means.push_back((*positions)[axis]);
  kernels.means.push_back(coordinate.low() + width / 2);
  if (bandwidth == Bandwidth::neighbours) {
    kernels.sigmas = neighbour_gaps(kernels.means);
  } else {
    auto dimension = static_cast<double>(axes_.size());
    auto n = static_cast<double>(std::max<size_t>(observations.size(), 1));
    kernels.sigmas.assign(count, 0.2 * std::pow(n, -1 / (dimension + 4)) * width);
  }
  const double least = width / std::min(100.0, static_cast<double>(count) + 1);
  for (auto& sigma : kernels.sigmas) sigma = std::clamp(sigma, least, width);
  kernels.sigmas.back() = width;
  finish_numeric(kernels);
}

void Parzen::finish_numeric(ParzenAxis& kernels) {
  const auto& coordinate = *kernels.coordinate;
  const size_t count = kernels.means.size();
  const bool mass = has_mass(coordinate);
  kernels.log_inside.resize(count);
  for (auto sigma : kernels.sigmas) kernels.scales.push_back(1 / sigma);
  double same = 0, log_sigma = 0;  // most kernels are as wide as the one before
  for (size_t k = 0; k < count; ++k) {
    const double mean = kernels.means[k], sigma = kernels.sigmas[k];
    if (sigma != same) log_sigma = std::log(same = sigma);
    const double low = (coordinate.low() - mean) / sigma, high = (coordinate.high() - mean) / sigma;
    const double inside = normal_between(low, high);
    kernels.log_inside[k] = inside == 1 ? 0 : std::log(inside);
    log_base_[k] -= kernels.log_inside[k];
    if (!mass) log_base_[k] -= log_sqrt_two_pi + log_sigma;
  }
  if (!mass) return;
  std::map<std::pair<double, double>, uint32_t> groups;
  kernels.group.resize(count);
  for (size_t k = 0; k < count; ++k) {
    auto [place, is_new] = groups.emplace(std::pair{kernels.means[k], kernels.sigmas[k]},
                                          static_cast<uint32_t>(kernels.first.size()));
    if (is_new) kernels.first.push_back(static_cast<uint32_t>(k));
    kernels.group[k] = place->second;
  }
}

double Parzen::choice_chance(size_t place, size_t kernel, double choice) const {
  const auto& kernels = kernels_[place];
  const auto choices = static_cast<double>(*kernels.coordinate->points());
  if (kernels.choices[kernel] < 0) return 1 / choices;
  const double base = 1 / static_cast<double>(weights_.size());
  return (base + (kernels.choices[kernel] == choice ? 1 : 0)) / (1 + choices * base);
}

double Parzen::log_mass(const ParzenAxis& kernels, size_t kernel, double position) const {
  const double sigma = kernels.sigmas[kernel];
  const double half = kernels.coordinate->step() / 2 / sigma;
  const double z = (position - kernels.means[kernel]) / sigma;
  // A value much narrower than the kernel: its density, and the next term of the series.
  if (half < 1e-3) {
    const double bend = (z * z - 1) * half * half / 6;
    return -0.5 * z * z - log_sqrt_two_pi + std::log(2 * half) + std::log1p(std::max(bend, -0.5));
  }
  return std::log(normal_between(z - half, z + half));
}

double Parzen::log_density(const Positions& positions) const {
  const size_t count = log_base_.size();
  Eigen::ArrayXd sums = array(log_base_);
  std::vector<double> masses;
  for (size_t place = 0; place < kernels_.size(); ++place) {
    const auto& kernels = kernels_[place];
    const double position = positions[axes_[place]];
    const auto& coordinate = *kernels.coordinate;
    if (coordinate.kind() == Kind::constant) continue;
    if (coordinate.kind() == Kind::category) {
      const double hit = std::log(choice_chance(place, 0, kernels.choices[0]));
      const double miss =
          count == 1 ? hit : std::log(choice_chance(place, 0, kernels.choices[0] == 0 ? 1 : 0));
      for (size_t k = 0; k + 1 < count; ++k)
        sums[Eigen::Index(k)] += kernels.choices[k] == position ? hit : miss;
      sums[Eigen::Index(count) - 1] += std::log(choice_chance(place, count - 1, position));
    } else if (has_mass(coordinate)) {
      masses.resize(kernels.first.size());
      for (size_t g = 0; g < masses.size(); ++g)
        masses[g] = log_mass(kernels, kernels.first[g], position);
      for (size_t k = 0; k < count; ++k) sums[Eigen::Index(k)] += masses[kernels.group[k]];
    } else {
      sums -= 0.5 * ((position - array(kernels.means)) * array(kernels.scales)).square();
    }
  }
  const double largest = sums.maxCoeff();
  if (!std::isfinite(largest)) return largest;
  // Most kernels are too far away to change a digit of the sum.
  constexpr double nothing = 30;
  Eigen::ArrayXd near(static_cast<Eigen::Index>(count));
  Eigen::Index used = 0;
  for (const double sum : sums) {
    near[used] = sum - largest;
    used += near[used] > -nothing ? 1 : 0;
  }
  const double total = near.head(used).exp().sum();
  return largest + std::log(total);
}

void Parzen::sample(Draws& draws, Positions& positions) const {
  const double share = draws.uniform() * cumulated_.back();
  auto kernel = static_cast<size_t>(
      std::upper_bound(cumulated_.begin(), cumulated_.end() - 1, share) - cumulated_.begin());
  for (size_t place = 0; place < kernels_.size(); ++place) {
    const auto& kernels = kernels_[place];
    const auto& coordinate = *kernels.coordinate;
    auto& position = positions[axes_[place]];
    if (coordinate.kind() == Kind::constant) {
      position = 0;
      continue;
    }
    const double uniform = draws.uniform();
    if (coordinate.kind() == Kind::category) {
      // The observed choice has its own mass beside the even part, which is spread over all.
      const auto choices = static_cast<double>(*coordinate.points());
      const double even = choices / static_cast<double>(weights_.size());
      const double own = kernels.choices[kernel] < 0 ? 0 : 1 / (1 + even);
      position = uniform < own ? kernels.choices[kernel]
                               : coordinate.from_unit((uniform - own) / (1 - own));
      continue;
    }
    // Open at both ends: a quantile of 0 or 1 is no number.
    const double inside = std::exp(kernels.log_inside[kernel]);
    const double below =
        normal_below((coordinate.low() - kernels.means[kernel]) * kernels.scales[kernel]);
    const double chance =
        std::clamp(below + uniform * inside, std::numeric_limits<double>::min(), 1 - 0x1p-53);
    position = coordinate.snap(
        std::clamp(kernels.means[kernel] + kernels.sigmas[kernel] * normal_quantile(chance),
                   coordinate.low(), coordinate.high()));
  }
}

}  // namespace troupe::hpo
