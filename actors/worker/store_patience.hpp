// How long a node puts up with a store of its gang that does not answer: the worker of the first
// job, which serves it, may begin later than this one, and ends when its job does. One thread.
#pragma once

#include <chrono>
#include <optional>

namespace troupe::actors {

class StorePatience {
 public:
  using Clock = std::chrono::steady_clock;

  void answered() { failing_since_.reset(); }
  /// It did not answer. False: for so long now that its job must have ended.
  bool lasts() {
    if (!failing_since_) failing_since_ = Clock::now();
    return Clock::now() - *failing_since_ < most;
  }

 private:
  static constexpr std::chrono::seconds most{60};
  std::optional<Clock::time_point> failing_since_;
};

}  // namespace troupe::actors
