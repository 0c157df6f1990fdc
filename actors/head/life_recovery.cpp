// What an experiment's life keeps of its failures, for people to see what they cost.
#include "actors/head/life.hpp"
#include "runtime/core/recovery.hpp"

#include <algorithm>

namespace troupe::actors {

/// The first failure of an attempt is the one that ends it.
void ExperimentLife::note_failure(Timestamp happened, Timestamp now) {
  auto& pace = attempt().pace;
  if (pace.noticed) return;
  pace.failed = happened;
  pace.noticed = now;
}

Effects ExperimentLife::reported(double step, Timestamp time, Timestamp now) {
  Effects effects;
  if (is_terminal(record_.state) || record_.attempts.empty()) return effects;
  auto& pace = attempt().pace;
  if (pace.first_report) {
    pace.last_step = std::max(pace.last_step, step);
    return effects;
  }
  pace.first_report = time;
  pace.first_step = pace.last_step = step;
  auto count = record_.attempts.size();
  if (count < 2) return effects;
  auto recovery = recovery_of(record_.attempts[count - 2], attempt());
  if (!recovery) return effects;
  effects.changed = true;
  effects.events.push_back(note_of("recovery", to_text(*recovery), now));
  return effects;
}

}  // namespace troupe::actors
