// Exact decimal arithmetic for ranges: 0.1 + 2 * 0.1 is 0.3 here, as people who write it mean. A
// number is digits * 10^exponent; a double stands for its shortest decimal text. Value type.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"

#include <compare>
#include <cstdint>
#include <string>

namespace troupe {

class Decimal {
 public:
  Decimal() = default;
  Decimal(int64_t value);  // NOLINT: implicit, so that sums with small constants read well
  /// `invalid` for NaN and infinities.
  static Result<Decimal> from(double value);
  /// An int or a float; `invalid` for anything else.
  static Result<Decimal> from(const Value& value);

  /// min + k * step, exactly; `exhausted` where that needs more than 36 digits.
  static Result<Decimal> at(const Decimal& min, const Decimal& step, uint64_t k);
  /// The largest k with min + k * step <= max: 0 where max is not above min, UINT64_MAX where it
  /// does not fit. `step` must be above zero.
  static uint64_t steps(const Decimal& min, const Decimal& max, const Decimal& step);

  bool is_zero() const { return digits_ == 0; }
  /// The nearest double.
  double to_double() const;
  /// An int where `as_int` (it must be whole and fit), else the nearest double.
  Value to_value(bool as_int) const;
  /// "0.3", "1e-05", "20": canonical.
  std::string to_text() const;

  std::strong_ordering operator<=>(const Decimal& other) const;
  bool operator==(const Decimal& other) const { return (*this <=> other) == 0; }

 private:
  __extension__ using Int128 = __int128;

  Decimal(Int128 digits, int exponent);
  /// Without zeros at the end of the digits, so that equal numbers are equal parts.
  void normalise();

  Int128 digits_ = 0;
  int exponent_ = 0;
};

}  // namespace troupe
