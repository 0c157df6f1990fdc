#include "runtime/core/decimal.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace troupe {
namespace {

Decimal dec(double value) {
  return Decimal::from(value).value();
}

TEST(Decimal, PointOneTimesThreeIsPointThree) {
  EXPECT_EQ(Decimal::at(dec(0.1), dec(0.1), 2).value(), dec(0.3));
  EXPECT_EQ(Decimal::at(dec(0.1), dec(0.1), 2).value().to_double(), 0.3);
  EXPECT_EQ(Decimal::steps(dec(0.1), dec(0.3), dec(0.1)), 2u);
  EXPECT_EQ(Decimal::steps(dec(0), dec(0.5), dec(0.1)), 5u);
  EXPECT_EQ(Decimal::steps(dec(0), dec(0.35), dec(0.1)), 3u);
  EXPECT_EQ(Decimal::steps(dec(-1), dec(1), dec(0.001)), 2000u);
  EXPECT_EQ(Decimal::steps(Decimal{1}, Decimal{10}, Decimal{4}), 2u);
  EXPECT_EQ(Decimal::steps(Decimal{5}, Decimal{5}, Decimal{4}), 0u);
}

TEST(Decimal, ReadsBackEveryDouble) {
  std::mt19937_64 random{7};
  for (int i = 0; i < 20000; ++i) {
    double value = 0;
    auto bits = random();
    memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(dec(value).to_double(), value);
  }
  for (double value : {0.0, -0.1, 1e22, 5e-324, 1.7976931348623157e308, 123456789.25})
    EXPECT_EQ(dec(value).to_double(), value);
}

TEST(Decimal, ComparesAsDoublesDo) {
  std::mt19937_64 random{8};
  for (int i = 0; i < 20000; ++i) {
    auto draw = [&] {
      auto mantissa = static_cast<double>(static_cast<int64_t>(random() % 2001) - 1000);
      return mantissa * std::pow(10.0, static_cast<double>(random() % 80) - 40);
    };
    double a = draw(), b = draw();
    EXPECT_EQ(dec(a) < dec(b), a < b) << a << " " << b;
    EXPECT_EQ(dec(a) == dec(b), a == b) << a << " " << b;
  }
}

TEST(Decimal, StepsAreTheLargestThatStayInside) {
  std::mt19937_64 random{9};
  for (int i = 0; i < 5000; ++i) {
    auto min = dec(static_cast<double>(random() % 10000) / 1000 - 5);
    auto step = dec(static_cast<double>(1 + random() % 500) / 1000);
    auto max = dec(static_cast<double>(random() % 10000) / 1000);
    if (max < min) continue;
    auto k = Decimal::steps(min, max, step);
    EXPECT_LE(Decimal::at(min, step, k).value(), max);
    EXPECT_GT(Decimal::at(min, step, k + 1).value(), max);
  }
}

TEST(Decimal, IntsStayInts) {
  constexpr auto least = std::numeric_limits<int64_t>::min();
  constexpr auto most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Decimal{least}.to_value(true), Value{least});
  EXPECT_EQ(Decimal{most}.to_value(true), Value{most});
  EXPECT_EQ(Decimal::steps(least, most, 1), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Decimal::at(least, 1, std::numeric_limits<uint64_t>::max()).value(), Decimal{most});
  EXPECT_EQ(dec(2.0).to_value(false), Value{2.0});
  EXPECT_EQ(Decimal{200}.to_text(), "200");
}

TEST(Decimal, RefusesWhatIsNoFiniteNumber) {
  EXPECT_FALSE(Decimal::from(std::nan("")));
  EXPECT_FALSE(Decimal::from(HUGE_VAL));
  EXPECT_FALSE(Decimal::from(Value{"one"}));
  EXPECT_FALSE(Decimal::at(dec(1e300), dec(1e-300), 1));
  EXPECT_EQ(Decimal::steps(dec(0), dec(1e300), dec(1e-300)), std::numeric_limits<uint64_t>::max());
}

}  // namespace
}  // namespace troupe
