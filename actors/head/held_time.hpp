// How long an experiment has held what it asked for.
#pragma once

#include "runtime/core/record.hpp"

namespace troupe::actors {

/// One of its workers, in microseconds, over all attempts; one that has not ended counts up to now.
inline uint64_t held_us(const ExperimentRecord& record, Timestamp now) {
  int64_t held = 0;
  for (const auto& attempt : record.attempts) {
    auto until = attempt.ended ? attempt.ended : now;
    if (until.us > attempt.started.us)
      held += (until.us - attempt.started.us) * static_cast<int64_t>(attempt.jobs.size());
  }
  return static_cast<uint64_t>(held);
}

}  // namespace troupe::actors
