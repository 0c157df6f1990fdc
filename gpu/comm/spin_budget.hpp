// How long to look before giving the processor away. Looking is the quickest where both ranks have
// a processor each; where they share one, every look keeps the other from what it is waited for. So
// the budget grows while looking pays, and shrinks while giving way pays. Now and then all of it is
// tried: with too small a one what comes soon behind it looks as if giving way had brought it.
// Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace troupe::comm {

class SpinBudget {
 public:
  /// A trial costs those that share a processor one long look in so many waits.
  static constexpr uint32_t waits_between_trials = 64;

  explicit SpinBudget(uint32_t most) : most_{most}, least_{std::min(most, 32u)}, now_{most} {}

  uint32_t looks() const { return trying_ ? most_ : now_; }
  /// What was waited for came while looking.
  void came_by_looking() {
    now_ = trying_ ? most_ : std::min(most_, std::max(now_ * 2, least_));
    trying_ = false;
  }
  /// It came after so many yields. After the first ones: it was the yield that let the other go on.
  void came_by_yielding(uint32_t yields) {
    if (yields > 2 && !trying_)
      came_by_looking();
    else
      came_by_waiting();
  }
  /// It came while this rank slept.
  void came_by_waiting() {
    if (!trying_) now_ = std::max(now_ / 2, least_);
    trying_ = ++waits_ % waits_between_trials == 0;
  }

 private:
  uint32_t most_, least_, now_;
  uint32_t waits_ = 0;  // that looking did not end
  bool trying_ = false;
};

}  // namespace troupe::comm
