#include "hpo/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

namespace troupe::hpo {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Pair {
  Vector step, change;  // of x and of the gradient
  double inverse;       // 1 / (step . change)
};

/// The quasi-Newton direction over the free variables: the two-loop recursion.
Vector direction(const std::deque<Pair>& pairs, const Vector& gradient,
                 const std::vector<bool>& is_free) {
  auto masked = [&](const Vector& v) {
    Vector out = v;
    for (size_t i = 0; i < out.size(); ++i)
      if (!is_free[i]) out[i] = 0;
    return out;
  };
  Vector out = masked(gradient);
  std::vector<double> shares(pairs.size());
  for (size_t k = pairs.size(); k-- > 0;) {
    shares[k] = pairs[k].inverse * dot(pairs[k].step, out);
    for (size_t i = 0; i < out.size(); ++i) out[i] -= shares[k] * pairs[k].change[i];
  }
  if (!pairs.empty()) {
    const auto& last = pairs.back();
    const double scale = 1 / (last.inverse * dot(last.change, last.change));
    for (auto& number : out) number *= scale;
  }
  for (size_t k = 0; k < pairs.size(); ++k) {
    const double share = shares[k] - pairs[k].inverse * dot(pairs[k].change, out);
    for (size_t i = 0; i < out.size(); ++i) out[i] += share * pairs[k].step[i];
  }
  out = masked(out);
  for (auto& number : out) number = -number;
  return out;
}

}  // namespace

Minimum minimise(const Smooth& function, Vector start, const Vector& low, const Vector& high,
                 const LbfgsSettings& settings) {
  constexpr double sufficient = 1e-4;  // share of the promised decrease that is enough
  constexpr int halvings_max = 25;
  const size_t n = start.size();
  Vector x = std::move(start), gradient(n), next(n), next_gradient(n);
  for (size_t i = 0; i < n; ++i) x[i] = std::clamp(x[i], low[i], high[i]);
  double value = function(x, gradient);
  std::deque<Pair> pairs;
  std::vector<bool> is_free(n);
  for (int round = 0; round < settings.iterations && std::isfinite(value); ++round) {
    double steepest = 0;
    for (size_t i = 0; i < n; ++i) {
      is_free[i] = !(x[i] <= low[i] && gradient[i] > 0) && !(x[i] >= high[i] && gradient[i] < 0);
      if (is_free[i]) steepest = std::max(steepest, std::abs(gradient[i]));
    }
    if (steepest < settings.gradient_tolerance) break;
    auto way = direction(pairs, gradient, is_free);
    double slope = dot(way, gradient);
    if (!(slope < 0)) {
      pairs.clear();
      way = direction(pairs, gradient, is_free);
      slope = dot(way, gradient);
    }
    // Without a memory the length of the gradient says nothing about the length of a step.
    double length = pairs.empty() ? std::min(1.0, 0.1 / steepest) : 1;
    double next_value = value;
    bool is_down = false;
    for (int i = 0; i < halvings_max && !is_down; ++i, length /= 2) {
      double promised = 0;
      for (size_t k = 0; k < n; ++k) {
        next[k] = std::clamp(x[k] + length * way[k], low[k], high[k]);
        promised += gradient[k] * (next[k] - x[k]);
      }
      next_value = function(next, next_gradient);
      is_down = std::isfinite(next_value) && next_value <= value + sufficient * promised;
    }
    if (!is_down) {
      if (pairs.empty()) break;
      pairs.clear();  // what it remembers leads nowhere: once more along the gradient
      continue;
    }
    Pair pair{Vector(n), Vector(n), 0};
    for (size_t i = 0; i < n; ++i) {
      pair.step[i] = next[i] - x[i];
      pair.change[i] = next_gradient[i] - gradient[i];
    }
    const double curvature = dot(pair.step, pair.change);
    if (curvature > 1e-10 * dot(pair.change, pair.change)) {
      pair.inverse = 1 / curvature;
      pairs.push_back(std::move(pair));
      if (pairs.size() > static_cast<size_t>(settings.memory)) pairs.pop_front();
    }
    const double gain = value - next_value;
    x = next;
    gradient = next_gradient;
    value = next_value;
    if (gain < settings.value_tolerance * (1 + std::abs(value))) break;
  }
  return {std::move(x), value};
}

}  // namespace troupe::hpo
