#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

namespace troupe {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

/// Takes an unsigned decimal number off the front; nothing if there is none.
std::optional<double> take_number(std::string_view& text) {
  // from_chars knows "nan", "inf" and "-1", too.
  if (text.empty() || (!std::isdigit(static_cast<unsigned char>(text[0])) && text[0] != '.'))
    return std::nullopt;
  double number = 0;
  auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (code != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::string_view take_letters(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && std::isalpha(static_cast<unsigned char>(text[n]))) ++n;
  auto letters = text.substr(0, n);
  text.remove_prefix(n);
  return letters;
}

std::optional<double> byte_factor(std::string_view unit) {
  constexpr std::pair<std::string_view, double> units[] = {{"B", 1},
                                                           {"kB", 1e3},
                                                           {"KB", 1e3},
                                                           {"MB", 1e6},
                                                           {"GB", 1e9},
                                                           {"TB", 1e12},
                                                           {"KiB", 1024.0},
                                                           {"MiB", 1048576.0},
                                                           {"GiB", 1073741824.0},
                                                           {"TiB", 1099511627776.0}};
  for (auto [name, factor] : units)
    if (name == unit) return factor;
  return std::nullopt;
}

std::optional<double> duration_factor(std::string_view unit) {
  constexpr std::pair<std::string_view, double> units[] = {
      {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"w", 6.048e8}};
  for (auto [name, factor] : units)
    if (name == unit) return factor;
  return std::nullopt;
}

}  // namespace

Result<uint64_t> parse_bytes(std::string_view text) {
  auto rest = trim(text);
  auto what = fmt::format("\"{}\" is not a size", text);
  const std::string hint = "write a number and a unit: 512MiB, 2GiB, 1.5TB";
  auto number = take_number(rest);
  if (!number) return Error{Errc::invalid, what, "it does not begin with a number", hint};
  rest = trim(rest);
  if (rest.empty()) return Error{Errc::invalid, what, "the unit is missing", hint};
  auto factor = byte_factor(rest);
  if (!factor) return Error{Errc::invalid, what, fmt::format("unknown unit \"{}\"", rest), hint};
  auto bytes = std::round(*number * *factor);
  if (bytes >= 9.2e18) return Error{Errc::invalid, what, "too large", hint};
  return static_cast<uint64_t>(bytes);
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto number = static_cast<double>(bytes);
  size_t unit = 0;
  while (number >= (unit == 0 ? 1024 : 1023.95) &&
         unit < 6) {  // what would be printed as 1024.0 is one of the next unit
    number /= 1024;
    ++unit;
  }
  auto text = fmt::format("{:.1f}", number);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return fmt::format("{} {}", text, units[unit]);
}

Result<Duration> parse_duration(std::string_view text) {
  auto rest = trim(text);
  auto what = fmt::format("\"{}\" is not a duration", text);
  const std::string hint = "write numbers and units: 90s, 30m, 1h30m, 2d";
  if (rest.empty()) return Error{Errc::invalid, what, "it is empty", hint};
  double total_ms = 0;
  while (!rest.empty()) {
    auto number = take_number(rest);
    if (!number) return Error{Errc::invalid, what, "a number is missing", hint};
    rest = trim(rest);
    auto unit = take_letters(rest);
    rest = trim(rest);
    if (unit.empty()) return Error{Errc::invalid, what, "the unit is missing", hint};
    auto factor = duration_factor(unit);
    if (!factor) return Error{Errc::invalid, what, fmt::format("unknown unit \"{}\"", unit), hint};
    total_ms += *number * *factor;
  }
  if (total_ms > 3.2e12) return Error{Errc::invalid, what, "longer than a hundred years", hint};
  return Duration{static_cast<int64_t>(std::round(total_ms))};
}

std::string duration_text(Duration duration) {
  auto ms = duration.count();
  if (ms < 0) return "-" + duration_text(-duration);
  if (ms < 1000) return ms == 0 ? "0s" : fmt::format("{}ms", ms);
  if (ms >= 59'950 && ms < 60'000) ms = 60'000;  // never "60.0s"
  if (ms < 60'000) {
    if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
    return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
  }
  constexpr std::pair<int64_t, char> units[] = {
      {604'800'000, 'w'}, {86'400'000, 'd'}, {3'600'000, 'h'}, {60'000, 'm'}, {1000, 's'}};
  std::string text;
  int shown = 0;
  for (auto [size, unit] : units) {
    auto count = ms / size;
    ms %= size;
    if (count == 0) {
      if (shown > 0) break;
      continue;
    }
    text += fmt::format("{}{}{}", shown > 0 ? " " : "", count, unit);
    if (++shown == 2) break;
  }
  return text;
}

}  // namespace troupe
