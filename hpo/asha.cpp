#include "hpo/asha.hpp"

#include <fmt/format.h>

namespace troupe::hpo {

Asha::Asha(EarlyStop rule)
    : Stopper{std::move(rule)},
      ladder_{rungs_from(Stopper::rule().min, *Stopper::rule().max, Stopper::rule().eta),
              Stopper::rule().eta} {}

Verdict Asha::judge(uint64_t trial, double resource, double value) {
  auto step = ladder_.climb(passed_[trial], resource, value);
  Verdict verdict{step.heard, step.stop, ""};
  if (step.stop)
    verdict.reason = fmt::format(
        "asha: {} is number {} of {} at the rung of {:.6g}, of which the best {} go on (cut-off "
        "{})",
        at(resource, value), step.place.rank + 1, step.place.among, step.resource, step.place.pass,
        shown(step.place.cut));
  return verdict;
}

void Asha::ended(uint64_t trial, Outcome) {
  passed_.erase(trial);
}

}  // namespace troupe::hpo
