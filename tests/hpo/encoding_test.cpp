#include "hpo/encoding.hpp"

#include "tests/hpo/hpo_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace troupe::hpo {
namespace {

using Kind = Coordinate::Kind;

Coordinate coordinate(const Parameter& parameter) {
  return Coordinate{Axis::make(parameter).value()};
}

TEST(Coordinate, KindsAndBounds) {
  auto real = coordinate(range("x", -5.0, 10.0));
  EXPECT_EQ(real.kind(), Kind::real);
  EXPECT_EQ(real.low(), -5);
  EXPECT_EQ(real.high(), 10);
  auto log = coordinate(range("x", 1e-5, 0.1, {}, {}, true));
  EXPECT_DOUBLE_EQ(log.low(), std::log(1e-5));
  EXPECT_DOUBLE_EQ(log.high(), std::log(0.1));
  auto whole = coordinate(range("x", 1, 20));
  EXPECT_EQ(whole.kind(), Kind::whole);
  EXPECT_EQ(whole.low(), 0.5);
  EXPECT_EQ(whole.high(), 20.5);
  EXPECT_EQ(whole.step(), 1);
  auto whole_log = coordinate(range("x", 1, 16, {}, {}, true));
  EXPECT_DOUBLE_EQ(whole_log.low(), std::log(0.5));
  EXPECT_DOUBLE_EQ(whole_log.high(), std::log(16.5));
  auto step = coordinate(range("x", 0.0, 1.05, 0.1));
  EXPECT_DOUBLE_EQ(step.low(), -0.05);
  EXPECT_DOUBLE_EQ(step.high(), 1.05);  // the last value is 1.0
  EXPECT_EQ(coordinate(choices("x", {"a", "b"})).kind(), Kind::category);
  EXPECT_EQ(coordinate(choices("x", {false, true})).kind(), Kind::category);
  EXPECT_EQ(coordinate(choices("x", {16, 32, 64})).kind(), Kind::whole);
  EXPECT_EQ(coordinate(choices("x", {0.5, 0.1, 0.01})).kind(), Kind::whole);
  EXPECT_EQ(coordinate(choices("x", {1, 3, 2})).kind(), Kind::category);
  EXPECT_EQ(coordinate(choices("x", {7})).kind(), Kind::constant);
  EXPECT_EQ(coordinate(range("x", 0.5, 0.5)).kind(), Kind::constant);
  EXPECT_EQ(coordinate(range("x", 3, 3)).kind(), Kind::constant);
}

TEST(Coordinate, EveryValueComesBackAndOthersAreRefused) {
  std::vector<Parameter> parameters{
      range("x", 1, 20),
      range("x", 1, 300, {}, {}, true),
      range("x", -3, 40, 7),
      range("x", 0.1, 0.3, 0.1),
      choices("x", {"a", nullptr, true, 3, 2.5}),
      choices("x", {16, 32, 64}),
      choices("x", {7}),
      range("x", 2.5, 2.5),
  };
  for (const auto& parameter : parameters) {
    auto axis = Axis::make(parameter).value();
    Coordinate line{axis};
    for (uint64_t k = 0; k < *axis.points(); ++k) {
      auto value = axis.at(k);
      auto position = line.encode(value);
      ASSERT_TRUE(position);
      EXPECT_EQ(line.decode(*position), value);
      EXPECT_EQ(line.index(*position), k);
      EXPECT_EQ(line.snap(*position), *position);
      EXPECT_EQ(line.decode(line.from_unit(line.to_unit(*position))), value);
      auto [low, high] = line.share(k);
      EXPECT_NEAR(low, k == 0 ? 0 : line.share(k - 1).second, 1e-12);
      EXPECT_EQ(line.decode(line.from_unit(low + 0.01 * (high - low))), value);
      EXPECT_EQ(line.decode(line.from_unit(low + 0.99 * (high - low))), value);
    }
    for (const Value& other : {Value{-1000}, Value{"zebra"}, Value{1e300}, Value{std::nan("")}})
      EXPECT_FALSE(line.encode(other));
  }
  auto real = coordinate(range("x", 1e-3, 10.0, {}, {}, true));
  EXPECT_FALSE(real.encode(10.5));
  EXPECT_FALSE(real.encode("1"));
  EXPECT_EQ(real.decode(*real.encode(10.0)), Value{10.0});
  EXPECT_EQ(real.decode(1000), Value{10.0});
  EXPECT_EQ(real.decode(-1000), Value{1e-3});
  EXPECT_TRUE(coordinate(range("x", 1.0, 3.0)).encode(2));  // an int is a number too
}

TEST(Coordinate, UnitsGiveEachValueItsShare) {
  for (const auto& parameter : {range("x", 1, 4), range("x", 0.0, 0.75, 0.25),
                                choices("x", {"a", "b", "c", "d"}), choices("x", {1, 2, 4, 8})}) {
    auto line = coordinate(parameter);
    std::vector<int> counts(4);
    for (int i = 0; i < 4000; ++i) ++counts[line.index(line.from_unit((i + 0.5) / 4000))];
    EXPECT_EQ(counts, (std::vector<int>{1000, 1000, 1000, 1000}));
    EXPECT_EQ(line.index(line.from_unit(0)), 0u);
    EXPECT_EQ(line.index(line.from_unit(1)), 3u);
  }
}

TEST(Encoding, PointsComeBackOverRandomSpaces) {
  std::mt19937_64 random{3};
  for (int i = 0; i < 300; ++i) {
    auto parameters = random_parameters(random, 1 + random() % 6);
    Encoding encoding{Space::make(parameters).value()};
    for (int k = 0; k < 20; ++k) {
      Positions positions;
      for (size_t axis = 0; axis < encoding.size(); ++axis)
        positions.push_back(encoding[axis].from_unit(std::ldexp(random() >> 11, -53)));
      encoding.snap(positions);
      auto point = encoding.decode(positions);
      auto again = encoding.encode(point);
      ASSERT_TRUE(again) << identity(point);
      EXPECT_EQ(encoding.decode(*again), point);
      if (auto index = encoding.index(positions)) {
        ASSERT_LT(*index, *encoding.points());
        EXPECT_EQ(encoding.space().at(*index), point);
        EXPECT_EQ(encoding.decode(encoding.at(*index)), point);
      }
    }
  }
}

TEST(Encoding, RefusesPointsOfAnotherSpace) {
  Encoding encoding{Space::make({range("a", 1, 3), choices("b", {"x", "y"})}).value()};
  EXPECT_TRUE(encoding.encode({{"a", 2}, {"b", "y"}}));
  EXPECT_TRUE(encoding.encode({{"a", 2}, {"b", "y"}, {"more", 1}}));
  EXPECT_FALSE(encoding.encode({{"a", 2}}));
  EXPECT_FALSE(encoding.encode({{"a", 4}, {"b", "y"}}));
}

TEST(Encoding, WideRangesStayFinite) {
  Encoding encoding{Space::make({range("i", INT64_MIN, INT64_MAX), range("f", -1.7e308, 1.7e308),
                                 range("n", 1, INT64_MAX, {}, {}, true)})
                        .value()};
  EXPECT_FALSE(encoding.points());
  for (double unit : {0.0, 0.3, 0.5, 1.0}) {
    Positions positions;
    for (size_t axis = 0; axis < 3; ++axis) positions.push_back(encoding[axis].from_unit(unit));
    for (auto position : positions) EXPECT_TRUE(std::isfinite(position));
    auto point = encoding.decode(positions);
    EXPECT_TRUE(point["i"].is_int() && point["n"].is_int());
  }
}

TEST(Coordinate, BothEndsAreWhatWasWritten) {
  // exp(log(0.03)) is 0.029999999999999995.
  for (auto [low, high] : {std::pair{0.0003, 0.03}, {1e-5, 0.1}, {0.7, 3.3}, {1e-300, 1e300}}) {
    auto log = coordinate(range("x", low, high, {}, {}, true));
    EXPECT_EQ(log.decode(log.from_unit(0)), Value{low});
    EXPECT_EQ(log.decode(log.from_unit(1)), Value{high});
    EXPECT_EQ(log.decode(*log.encode(Value{low})), Value{low});
    EXPECT_EQ(log.decode(*log.encode(Value{high})), Value{high});
    for (int64_t count : {2, 3, 7}) {
      auto axis = Axis::make(range("x", low, high, {}, count, true)).value();
      EXPECT_EQ(axis.grid_at(0), Value{low});
      EXPECT_EQ(axis.grid_at(*axis.grid_points() - 1), Value{high});
    }
  }
}

}  // namespace
}  // namespace troupe::hpo
