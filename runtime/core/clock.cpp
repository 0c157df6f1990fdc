#include "runtime/core/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

namespace troupe {

std::string rfc3339(Timestamp time) {
  if (!time) return "";
  auto micros = time.us % 1'000'000;
  if (micros < 0) micros += 1'000'000;
  auto seconds = static_cast<time_t>((time.us - micros) / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     micros);
}

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Whether the text begins like the pattern, where '0' stands for any digit.
bool begins_like(std::string_view text, std::string_view pattern) {
  if (text.size() < pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i)
    if (pattern[i] == '0' ? !is_digit(text[i]) : text[i] != pattern[i]) return false;
  return true;
}

int number_at(std::string_view text, size_t at, size_t length) {
  int number = 0;
  for (char c : text.substr(at, length)) number = number * 10 + (c - '0');
  return number;
}

/// Takes ".123" off the front; digits below a microsecond are left out. Nothing where there are
/// none.
std::optional<int64_t> take_fraction(std::string_view& text) {
  if (text.empty() || text.front() != '.') return 0;
  text.remove_prefix(1);
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  int64_t micros = 0;
  for (int64_t scale = 100'000; !text.empty() && is_digit(text.front()); scale /= 10) {
    micros += (text.front() - '0') * scale;
    text.remove_prefix(1);
  }
  return micros;
}

}  // namespace

Result<Timestamp> parse_rfc3339(std::string_view text) {
  const Error bad{Errc::invalid, fmt::format("\"{}\" is not a time", text),
                  "RFC 3339 in UTC is needed", "write it as 2026-11-21T01:29:00Z"};
  constexpr std::string_view pattern = "0000-00-00T00:00:00";
  if (!begins_like(text, pattern)) return bad;
  std::tm parts{};
  parts.tm_year = number_at(text, 0, 4) - 1900;
  parts.tm_mon = number_at(text, 5, 2) - 1;
  parts.tm_mday = number_at(text, 8, 2);
  parts.tm_hour = number_at(text, 11, 2);
  parts.tm_min = number_at(text, 14, 2);
  parts.tm_sec = number_at(text, 17, 2);
  auto rest = text.substr(pattern.size());
  auto micros = take_fraction(rest);
  if (!micros || rest != "Z") return bad;
  auto given = parts;
  auto seconds = timegm(&parts);
  // timegm makes March 2nd of February 30th; what it changed was no time.
  if (parts.tm_mon != given.tm_mon || parts.tm_mday != given.tm_mday ||
      parts.tm_hour != given.tm_hour || parts.tm_min != given.tm_min ||
      parts.tm_sec != given.tm_sec)
    return bad;
  return Timestamp{int64_t{seconds} * 1'000'000 + *micros};
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
