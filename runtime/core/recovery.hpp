// What it cost an experiment to be started again: what was lost, and how long each part of the way
// back took. Pure; any thread.
#pragma once

#include "runtime/core/record.hpp"

#include <optional>
#include <string>

namespace troupe {

/// From the failure of one attempt to where the next one makes progress. Parts that are not known,
/// or not yet, are empty.
struct Recovery {
  std::optional<double> lost_steps;   // reported, and done again; needs metrics with steps
  std::optional<Duration> detection;  // from the failure until the head knew
  std::optional<Duration> rebuild;    // from then until all processes ran again
  std::optional<Duration> warm_up;    // from then until the first metric was reported
  bool operator==(const Recovery&) const = default;
};

/// Of `next`, which came after `before`. None where `before` ended for no failure, or where `next`
/// has not come to run.
std::optional<Recovery> recovery_of(const AttemptRecord& before, const AttemptRecord& next);
/// "10 steps lost; noticed in 12ms, rebuilt in 400ms, first report after 1.2s".
std::string to_text(const Recovery& recovery);

}  // namespace troupe
