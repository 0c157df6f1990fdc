#include "hpo/pareto.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace troupe::hpo {
namespace {

bool is_nowhere_worse(const Values& a, const Values& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] > b[i]) return false;
  return true;
}

double box(const Values& point, const Values& reference) {
  double volume = 1;
  for (size_t i = 0; i < point.size(); ++i) volume *= reference[i] - point[i];
  return volume;
}

/// Without those that another dominates, and of equal ones the first alone.
std::vector<Values> front_of(const std::vector<Values>& points) {
  std::vector<Values> front;
  for (size_t i = 0; i < points.size(); ++i) {
    bool is_beaten = false;
    for (size_t j = 0; j < points.size() && !is_beaten; ++j)
      is_beaten =
          j != i && is_nowhere_worse(points[j], points[i]) && (points[j] != points[i] || j < i);
    if (!is_beaten) front.push_back(points[i]);
  }
  return front;
}

double volume_of_plane(std::vector<Values> points, const Values& reference) {
  std::sort(points.begin(), points.end());
  double volume = 0, ceiling = reference[1];
  for (const auto& point : points) {
    if (point[1] >= ceiling) continue;
    volume += (reference[0] - point[0]) * (ceiling - point[1]);
    ceiling = point[1];
  }
  return volume;
}

/// What `point` dominates and none of the others does.
double exclusive(const Values& point, const std::vector<Values>& others, const Values& reference) {
  std::vector<Values> limited;
  for (const auto& other : others) {
    Values worse(point.size());
    for (size_t i = 0; i < point.size(); ++i) worse[i] = std::max(point[i], other[i]);
    limited.push_back(std::move(worse));
  }
  return box(point, reference) - hypervolume(front_of(limited), reference);
}

}  // namespace

bool dominates(const Candidate& a, const Candidate& b) {
  if (a.values.empty() || b.values.empty()) return !a.values.empty() && b.values.empty();
  if (a.violation > 0 || b.violation > 0) return a.violation < b.violation;
  return a.values != b.values && is_nowhere_worse(a.values, b.values);
}

std::vector<uint32_t> domination_ranks(const std::vector<Candidate>& candidates) {
  const size_t n = candidates.size();
  std::vector<std::vector<size_t>> beaten(n);
  std::vector<size_t> beaters(n), front, next;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j < n; ++j) {
      if (dominates(candidates[i], candidates[j])) {
        beaten[i].push_back(j);
        ++beaters[j];
      } else if (dominates(candidates[j], candidates[i])) {
        beaten[j].push_back(i);
        ++beaters[i];
      }
    }
  for (size_t i = 0; i < n; ++i)
    if (beaters[i] == 0) front.push_back(i);
  std::vector<uint32_t> ranks(n);
  for (uint32_t rank = 0; !front.empty(); ++rank) {
    next.clear();
    for (auto i : front) {
      ranks[i] = rank;
      for (auto j : beaten[i])
        if (--beaters[j] == 0) next.push_back(j);
    }
    front.swap(next);
  }
  return ranks;
}

std::vector<double> crowding_distances(const std::vector<Values>& front) {
  constexpr auto infinite = std::numeric_limits<double>::infinity();
  std::vector<double> distances(front.size(), 0);
  if (front.empty()) return distances;
  std::vector<size_t> order(front.size());
  for (size_t objective = 0; objective < front[0].size(); ++objective) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return front[a][objective] < front[b][objective]; });
    const double width = front[order.back()][objective] - front[order.front()][objective];
    distances[order.front()] = distances[order.back()] = infinite;
    if (!(width > 0)) continue;
    for (size_t i = 1; i + 1 < order.size(); ++i)
      distances[order[i]] +=
          (front[order[i + 1]][objective] - front[order[i - 1]][objective]) / width;
  }
  return distances;
}

double hypervolume(std::vector<Values> points, const Values& reference) {
  std::erase_if(points, [&](const Values& point) {
    for (size_t i = 0; i < point.size(); ++i)
      if (!(point[i] < reference[i])) return true;
    return false;
  });
  if (points.empty()) return 0;
  if (reference.size() == 1)
    return reference[0] - (*std::min_element(points.begin(), points.end()))[0];
  if (reference.size() == 2) return volume_of_plane(std::move(points), reference);
  points = front_of(points);
  // From the worst in the last objective on, the rest of each limits it most.
  std::sort(points.begin(), points.end(),
            [](const Values& a, const Values& b) { return a.back() > b.back(); });
  double volume = 0;
  for (size_t i = 0; i < points.size(); ++i)
    volume += exclusive(
        points[i], {points.begin() + static_cast<std::ptrdiff_t>(i) + 1, points.end()}, reference);
  return volume;
}

std::vector<size_t> hypervolume_subset(const std::vector<Values>& points, const Values& reference,
                                       size_t count) {
  std::vector<size_t> chosen;
  std::vector<Values> taken;
  std::vector<bool> is_taken(points.size());
  while (chosen.size() < std::min(count, points.size())) {
    double most = -1;
    size_t best = points.size();
    for (size_t i = 0; i < points.size(); ++i) {
      if (is_taken[i]) continue;
      const double gain = exclusive(points[i], taken, reference);
      if (best == points.size() || gain > most) most = gain, best = i;
    }
    is_taken[best] = true;
    chosen.push_back(best);
    taken.push_back(points[best]);
  }
  return chosen;
}

Values reference_beyond(const std::vector<Values>& points) {
  Values reference;
  for (const auto& point : points) {
    reference.resize(point.size(), -std::numeric_limits<double>::infinity());
    for (size_t i = 0; i < point.size(); ++i) reference[i] = std::max(reference[i], point[i]);
  }
  for (auto& worst : reference) {
    // A tenth of it upwards, whatever its sign; something where it is 0.
    worst = std::max(1.1 * worst, 0.9 * worst);
    if (worst == 0) worst = 1e-9;
  }
  return reference;
}

}  // namespace troupe::hpo
