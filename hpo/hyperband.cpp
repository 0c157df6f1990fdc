#include "hpo/hyperband.hpp"

#include "hpo/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace troupe::hpo {

Hyperband::Hyperband(EarlyStop rule, uint64_t seed) : Stopper{std::move(rule)}, seed_{seed} {
  auto levels = rungs_from(Stopper::rule().min, *Stopper::rule().max, Stopper::rule().eta);
  shares_ = hyperband_sizes(static_cast<uint32_t>(levels.size()), Stopper::rule().eta);
  std::partial_sum(shares_.begin(), shares_.end(), shares_.begin());
  for (; !levels.empty(); levels.erase(levels.begin()))
    ladders_.emplace_back(levels, Stopper::rule().eta);
}

size_t Hyperband::bracket_of(uint64_t trial) const {
  Draws draws{seed_, trial, name_hash("hyperband")};
  auto at = draws.below(shares_.back());
  return static_cast<size_t>(std::upper_bound(shares_.begin(), shares_.end(), at) -
                             shares_.begin());
}

Verdict Hyperband::judge(uint64_t trial, double resource, double value) {
  auto bracket = bracket_of(trial);
  auto step = ladders_[bracket].climb(passed_[trial], resource, value);
  Verdict verdict{step.heard, step.stop, ""};
  if (step.stop)
    verdict.reason = fmt::format(
        "{}, bracket {} of {}: {} is number {} of {} at the rung of {:.6g}, of which the best {} "
        "go on (cut-off {})",
        rule().algorithm, bracket + 1, ladders_.size(), at(resource, value), step.place.rank + 1,
        step.place.among, step.resource, step.place.pass, shown(step.place.cut));
  return verdict;
}

void Hyperband::ended(uint64_t trial, Outcome) {
  passed_.erase(trial);
}

}  // namespace troupe::hpo
