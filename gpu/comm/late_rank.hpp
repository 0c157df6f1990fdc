// Looks whether a rank that is waited for in the middle of a call is kept from running: it beats no
// more. One wait.
#pragma once

#include "gpu/comm/segment.hpp"

namespace troupe::comm {

class LateRank {
 public:
  LateRank(const Segment& segment, uint32_t local) : segment_{segment}, local_{local} {}

  /// Whether it has stood since the last look. Cheap where it is too early to tell.
  bool stands() {
    auto now = std::chrono::steady_clock::now();
    if (now < next_look_) return false;
    next_look_ = now + between_looks;
    auto beats = segment_.state(local_).beats.load(std::memory_order_relaxed);
    auto stood = looked_ && beats == beats_ && segment_.is_at_work(local_);
    looked_ = true;
    beats_ = beats;
    return stood;
  }

 private:
  // Some times what lies between two beats, and little beside a tick of the kernel.
  static constexpr std::chrono::microseconds between_looks{50};

  const Segment& segment_;
  uint32_t local_;
  std::chrono::steady_clock::time_point next_look_{};
  bool looked_ = false;
  uint64_t beats_ = 0;  // at the last look
};

}  // namespace troupe::comm
