#include "runtime/core/decimal.hpp"

#include "runtime/core/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace troupe {
namespace {

__extension__ using Int = __int128;

// 10^36 < 2^120: sums of two such numbers stay far from the edge of 127 bits.
constexpr int digits_max = 36;

Int power_of_ten(int n) {
  Int power = 1;
  for (; n > 0; --n) power *= 10;
  return power;
}

int count_digits(Int n) {
  if (n < 0) n = -n;
  int count = 0;
  for (; n != 0; n /= 10) ++count;
  return count;
}

/// Both on the smaller of the two exponents; none where one gets too many digits.
std::optional<std::pair<Int, Int>> aligned(Int a, int a_exponent, Int b, int b_exponent) {
  int least = std::min(a_exponent, b_exponent);
  auto shift = [&](Int& n, int exponent) {
    if (n == 0) return true;
    if (exponent - least + count_digits(n) > digits_max) return false;
    n *= power_of_ten(exponent - least);
    return true;
  };
  if (!shift(a, a_exponent) || !shift(b, b_exponent)) return std::nullopt;
  return std::pair{a, b};
}

std::string digits_text(Int n) {
  std::string text;
  bool negative = n < 0;
  if (negative) n = -n;
  do {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(n % 10)));
    n /= 10;
  } while (n != 0);
  return negative ? "-" + text : text;
}

Error too_fine(const char* why) {
  return {Errc::exhausted, "the numbers of a range lie too far apart", why,
          "use bounds and steps of closer magnitude"};
}

}  // namespace

Decimal::Decimal(int64_t value) : digits_{value} {
  normalise();
}

Decimal::Decimal(Int128 digits, int exponent) : digits_{digits}, exponent_{exponent} {
  normalise();
}

void Decimal::normalise() {
  if (digits_ == 0) exponent_ = 0;
  while (digits_ != 0 && digits_ % 10 == 0) digits_ /= 10, ++exponent_;
}

Result<Decimal> Decimal::from(double value) {
  if (!std::isfinite(value))
    return Error{Errc::invalid, "no finite number", shortest_text(value), "use a plain number"};
  auto text = fmt::format("{}", value);
  Int digits = 0;
  int exponent = 0;
  bool negative = false, after_point = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == 'e') {
      int written = 0;
      const char* first = text.data() + i + 1;
      if (*first == '+') ++first;
      std::from_chars(first, text.data() + text.size(), written);
      exponent += written;
      break;
    }
    if (c == '-') negative = true;
    if (c == '.') after_point = true;
    if (c < '0' || c > '9') continue;
    digits = digits * 10 + (c - '0');
    if (after_point) --exponent;
  }
  return Decimal{negative ? -digits : digits, exponent};
}

Result<Decimal> Decimal::from(const Value& value) {
  if (value.is_int()) return Decimal{value.as_int()};
  if (value.is_double()) return from(value.as_number());
  return Error{Errc::invalid, fmt::format("a {} is no number", value.kind()), value.to_text(),
               "use a plain number"};
}

Result<Decimal> Decimal::at(const Decimal& min, const Decimal& step, uint64_t k) {
  // A step has at most 19 digits and k at most 20; together they might pass 127 bits.
  if (count_digits(step.digits_) + count_digits(static_cast<Int>(k)) > digits_max)
    return too_fine("a step times its number has more than 36 digits");
  auto sum =
      aligned(min.digits_, min.exponent_, step.digits_ * static_cast<Int>(k), step.exponent_);
  if (!sum) return too_fine("a point has more than 36 digits");
  return Decimal{sum->first + sum->second, std::min(min.exponent_, step.exponent_)};
}

uint64_t Decimal::steps(const Decimal& min, const Decimal& max, const Decimal& step) {
  TROUPE_ASSERT(step > Decimal{0}, "a step that is not above zero");
  if (max <= min) return 0;
  constexpr auto most = std::numeric_limits<uint64_t>::max();
  // Where the width has more digits than fit, min and max differ by over 10^17 of the smaller one,
  // and the smaller one cannot matter unless the step is as small: then there are too many steps.
  auto bounds = aligned(max.digits_, max.exponent_, min.digits_, min.exponent_);
  auto width = bounds
                   ? Decimal{bounds->first - bounds->second, std::min(max.exponent_, min.exponent_)}
                   : (min < Decimal{0} && Decimal{0} < max ? max : (max > Decimal{0} ? max : min));
  if (width < Decimal{0}) width.digits_ = -width.digits_;
  if (width < step) return 0;
  auto parts = aligned(width.digits_, width.exponent_, step.digits_, step.exponent_);
  if (!parts) return most;
  auto count = parts->first / parts->second;
  return count > static_cast<Int>(most) ? most : static_cast<uint64_t>(count);
}

double Decimal::to_double() const {
  auto text = fmt::format("{}e{}", digits_text(digits_), exponent_);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Value Decimal::to_value(bool as_int) const {
  if (!as_int) return to_double();
  TROUPE_ASSERT(exponent_ >= 0, "an int point that is not whole");
  auto whole = digits_ * power_of_ten(exponent_);
  TROUPE_ASSERT(
      whole >= std::numeric_limits<int64_t>::min() && whole <= std::numeric_limits<int64_t>::max(),
      "an int point that does not fit");
  return static_cast<int64_t>(whole);
}

std::string Decimal::to_text() const {
  if (exponent_ >= 0 && count_digits(digits_) + exponent_ <= digits_max)
    return digits_text(digits_ * power_of_ten(exponent_));
  return fmt::format("{}e{}", digits_text(digits_), exponent_);
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
  auto sign = [](Int n) { return n < 0 ? -1 : n > 0 ? 1 : 0; };
  if (auto order = sign(digits_) <=> sign(other.digits_); order != 0) return order;
  if (auto both = aligned(digits_, exponent_, other.digits_, other.exponent_))
    return both->first <=> both->second;
  // Too far apart to be written out: the one with more places before the point is further from 0.
  auto places = count_digits(digits_) + exponent_ <=> count_digits(other.digits_) + other.exponent_;
  if (digits_ > 0) return places;
  return places < 0 ? std::strong_ordering::greater : std::strong_ordering::less;
}

}  // namespace troupe
