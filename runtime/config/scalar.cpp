// scalar_value: what a plain word of YAML is.
#include "runtime/config/yaml_tree.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace troupe::config {

namespace {

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

constexpr std::string_view digits = "0123456789";

/// [digits][.[digits]][e[sign]digits] with at least one digit before the exponent.
bool is_float(std::string_view text) {
  auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    auto power = text.substr(exponent + 1);
    if (!power.empty() && (power.front() == '+' || power.front() == '-')) power.remove_prefix(1);
    if (!all_of(power, digits)) return false;
    text = text.substr(0, exponent);
  }
  auto point = text.find('.');
  if (point == std::string_view::npos) return all_of(text, digits);
  auto whole = text.substr(0, point);
  auto part = text.substr(point + 1);
  return (whole.empty() || all_of(whole, digits)) && (part.empty() || all_of(part, digits)) &&
         !(whole.empty() && part.empty());
}

Error does_not_fit(std::string_view text, std::string_view kind) {
  return Error{Errc::invalid, fmt::format("{} does not fit {}", text, kind), "",
               "put it in quotes if it is a name"};
}

Result<Value> integer(std::string_view text, std::string_view number, bool negative, int base) {
  uint64_t magnitude = 0;
  auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), magnitude, base);
  constexpr auto max = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (code != std::errc{} || magnitude > max + (negative ? 1 : 0))
    return does_not_fit(text, "a 64-bit integer");
  if (negative && magnitude == max + 1) return Value{std::numeric_limits<int64_t>::min()};
  auto value = static_cast<int64_t>(magnitude);
  return Value{negative ? -value : value};
}

}  // namespace

Result<Value> scalar_value(std::string_view text, bool quoted) {
  if (quoted) return Value{text};
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Value{};
  if (text == "true" || text == "True" || text == "TRUE") return Value{true};
  if (text == "false" || text == "False" || text == "FALSE") return Value{false};
  if (text == ".nan" || text == ".NaN" || text == ".NAN")
    return Value{std::numeric_limits<double>::quiet_NaN()};
  if (text.starts_with("0x") && all_of(text.substr(2), "0123456789abcdefABCDEF"))
    return integer(text, text.substr(2), false, 16);
  if (text.starts_with("0o") && all_of(text.substr(2), "01234567"))
    return integer(text, text.substr(2), false, 8);

  auto number = text;
  bool negative = number.front() == '-';
  if (negative || number.front() == '+') number.remove_prefix(1);
  if (number == ".inf" || number == ".Inf" || number == ".INF") {
    auto infinity = std::numeric_limits<double>::infinity();
    return Value{negative ? -infinity : infinity};
  }
  if (all_of(number, digits)) return integer(text, number, negative, 10);
  if (!is_float(number)) return Value{text};
  double value = 0;
  auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (code != std::errc{} || end != number.data() + number.size())
    return does_not_fit(text, "a 64-bit float");
  return Value{negative ? -value : value};
}

}  // namespace troupe::config
