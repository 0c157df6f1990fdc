// The lease of exclusive jobs on one worker: they may go on for so long after the head last showed
// that it knows this worker to live. Counted from when the question was sent, not from when the
// answer came: the head counts from its own answer at the earliest. Monotonic time. Any thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

namespace troupe {

/// Each time it has run out and is renewed, another term of it begins.
class Lease {
 public:
  using Nanos = std::chrono::nanoseconds;
  explicit Lease(Nanos length) : length_{length} {}

  /// The head answered a question that was sent then. Answers may come in any order.
  void renew(Nanos sent, Nanos now) {
    std::lock_guard lock{mutex_};
    if (sent + length_ <= now) return;
    if (now >= until_) ++term_;
    until_ = std::max(until_, sent + length_);
  }
  /// The term that runs, or else the next one.
  uint64_t term(Nanos now) const {
    std::lock_guard lock{mutex_};
    return now < until_ ? term_ : term_ + 1;
  }
  /// The end of that term; 0: it is over, or has not begun.
  Nanos until(uint64_t term, Nanos now) const {
    std::lock_guard lock{mutex_};
    return term == term_ && now < until_ ? until_ : Nanos{0};
  }

 private:
  const Nanos length_;
  mutable std::mutex mutex_;
  Nanos until_{0};
  uint64_t term_ = 0;
};

/// What one job has of it: the term in which its order came. When that is over the head may have
/// given the job to another, and a new term is not for it.
struct LeaseTerm {
  std::shared_ptr<const Lease> lease;
  uint64_t number = 0;

  Lease::Nanos until(Lease::Nanos now) const {
    return lease ? lease->until(number, now) : Lease::Nanos{0};
  }
};

}  // namespace troupe
