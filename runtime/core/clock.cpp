#include "runtime/core/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace troupe {

std::string rfc3339(Timestamp time) {
  if (!time) return "";
  auto seconds = static_cast<time_t>(time.us / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     time.us % 1'000'000);
}

Result<Timestamp> parse_rfc3339(std::string_view text) {
  auto bad = [&] {
    return Error{Errc::invalid, fmt::format("\"{}\" is not a time", text),
                 "RFC 3339 in UTC is needed", "write it as 2026-11-21T01:29:00Z"};
  };
  std::tm parts{};
  int consumed = 0;
  const std::string copy{text};
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &consumed) != 6)
    return bad();
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  auto rest = std::string_view{copy}.substr(static_cast<size_t>(consumed));
  int64_t micros = 0;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    int64_t scale = 100'000;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      micros += (rest.front() - '0') * scale;
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  if (rest != "Z") return bad();
  return Timestamp{int64_t{timegm(&parts)} * 1'000'000 + micros};
}

Timestamp SystemClock::now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  auto us = int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
  std::lock_guard guard{mutex_};
  last_us_ = std::max(us, last_us_ + 1);
  return Timestamp{last_us_};
}

std::chrono::nanoseconds SystemClock::monotonic() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

VirtualClock::VirtualClock(Timestamp start) : start_us_{start.us} {}

Timestamp VirtualClock::now() {
  std::lock_guard guard{mutex_};
  auto us = start_us_ + elapsed_.count() / 1000;
  last_us_ = std::max(us, last_us_ + 1);
  return Timestamp{last_us_};
}

std::chrono::nanoseconds VirtualClock::monotonic() {
  std::lock_guard guard{mutex_};
  return elapsed_;
}

void VirtualClock::advance(std::chrono::nanoseconds by) {
  std::lock_guard guard{mutex_};
  elapsed_ += by;
}

}  // namespace troupe
