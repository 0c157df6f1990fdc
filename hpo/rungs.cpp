#include "hpo/rungs.hpp"

#include <algorithm>

namespace troupe::hpo {

std::vector<double> rungs_from(double min, double max, uint32_t eta) {
  // By multiplying: logarithms of doubles miss whole powers.
  std::vector<double> rungs;
  for (double at = min; at < max; at *= eta) rungs.push_back(at);
  rungs.push_back(max);
  return rungs;
}

std::vector<uint64_t> rungs_below(uint32_t count, uint64_t max, uint32_t eta) {
  std::vector<uint64_t> rungs(count);
  uint64_t divisor = 1;
  for (uint32_t i = count; i-- > 0;) {
    rungs[i] = std::max<uint64_t>(max / divisor, 1);
    divisor = divisor > max ? divisor : divisor * eta;
  }
  return rungs;
}

std::vector<uint64_t> hyperband_sizes(uint32_t levels, uint32_t eta) {
  std::vector<uint64_t> sizes;
  for (uint32_t s = levels; s-- > 0;) {
    uint64_t trials = levels;
    for (uint32_t i = 0; i < s; ++i) trials *= eta;
    sizes.push_back((trials + s) / (s + 1));
  }
  return sizes;
}

auto Rung::add(double value, uint32_t eta) -> Place {
  auto at = std::lower_bound(values_.begin(), values_.end(), value);
  Place place;
  place.rank = static_cast<uint64_t>(at - values_.begin());
  values_.insert(at, value);
  place.among = values_.size();
  place.pass = std::max<uint64_t>(place.among / eta, 1);
  place.cut = values_[place.pass - 1];
  return place;
}

RungLadder::RungLadder(const std::vector<double>& resources, uint32_t eta) : eta_{eta} {
  // At the last nothing is left to be stopped.
  for (size_t i = 0; i + 1 < resources.size(); ++i) rungs_.emplace_back(resources[i]);
}

auto RungLadder::climb(size_t& passed, double resource, double value) -> Step {
  Step step;
  for (; passed < rungs_.size() && rungs_[passed].resource() <= resource && !step.stop; ++passed) {
    step.heard = true;
    step.resource = rungs_[passed].resource();
    step.place = rungs_[passed].add(value, eta_);
    step.stop = step.place.rank >= step.place.pass;
  }
  return step;
}

}  // namespace troupe::hpo
