// How long to look before giving the processor away. Looking is the quickest where both ranks have
// a processor each; where they share one, every look keeps the other from what it is waited for. So
// the budget grows while looking pays, and shrinks while giving way pays. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace troupe::comm {

class SpinBudget {
 public:
  explicit SpinBudget(uint32_t most) : most_{most}, least_{std::min(most, 32u)}, now_{most} {}

  uint32_t looks() const { return now_; }
  /// What was waited for came while looking.
  void came_by_looking() { now_ = std::min(most_, std::max(now_ * 2, least_)); }
  /// It came after so many yields. After the first ones: it was the yield that let the other go on.
  void came_by_yielding(uint32_t yields) {
    if (yields > 2)
      came_by_looking();
    else
      came_by_waiting();
  }
  /// It came while this rank slept.
  void came_by_waiting() { now_ = std::max(now_ / 2, least_); }

 private:
  uint32_t most_, least_, now_;
};

}  // namespace troupe::comm
