// How long the head itself stood still (stopped, paused with its machine, starved of processors):
// in that time it heard nobody, so nobody's silence counts. Pure; owned by who looks at regular
// times.
#pragma once

#include <chrono>

namespace troupe::actors {

class Standstill {
 public:
  explicit Standstill(std::chrono::nanoseconds every) : every_{every} {}

  std::chrono::nanoseconds every() const { return every_; }
  /// Called at each look: the part of the time since the one before that did not count.
  std::chrono::nanoseconds look(std::chrono::nanoseconds now) {
    auto since = before_.count() == 0 ? every_ : now - before_;
    before_ = now;
    // A look that is late by as much as its own interval is load; more is a standstill.
    return since > 2 * every_ ? since - every_ : std::chrono::nanoseconds{0};
  }

 private:
  std::chrono::nanoseconds every_;
  std::chrono::nanoseconds before_{0};
};

}  // namespace troupe::actors
