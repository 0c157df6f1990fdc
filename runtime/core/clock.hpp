// Time comes in through this interface, so that tests and the simulator own it.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe {

/// A point in wall-clock time, UTC: microseconds since 1970. 0 stands for "not yet".
struct Timestamp {
  int64_t us = 0;
  explicit operator bool() const { return us != 0; }
  auto operator<=>(const Timestamp&) const = default;
};

/// RFC 3339 in UTC with microseconds: "2026-11-21T01:29:00.123456Z"; "" for "not yet".
std::string rfc3339(Timestamp time);
Result<Timestamp> parse_rfc3339(std::string_view text);

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, for records. Strictly increasing within one clock object, so that stamps order
  /// events.
  virtual Timestamp now() = 0;
  /// Monotonic time since some fixed point, for measuring and deadlines.
  virtual std::chrono::nanoseconds monotonic() = 0;
};

/// The machine's clocks. Safe from any thread.
class SystemClock final : public Clock {
 public:
  Timestamp now() override;
  std::chrono::nanoseconds monotonic() override;

 private:
  std::mutex mutex_;
  int64_t last_us_ = 0;
};

/// A clock that stands still until told. Safe from any thread.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(Timestamp start = Timestamp{1'700'000'000'000'000});
  Timestamp now() override;
  std::chrono::nanoseconds monotonic() override;
  void advance(std::chrono::nanoseconds by);

 private:
  std::mutex mutex_;
  int64_t start_us_;
  int64_t last_us_ = 0;
  std::chrono::nanoseconds elapsed_{0};
};

}  // namespace troupe
