#include "runtime/core/value.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

namespace troupe {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Value, KeepsItsKind) {
  EXPECT_EQ(Value{}.kind(), "null");
  EXPECT_EQ(Value{true}.kind(), "bool");
  EXPECT_EQ(Value{1}.kind(), "int");
  EXPECT_EQ(Value{1u}.kind(), "int");
  EXPECT_EQ(Value{1.0}.kind(), "float");
  EXPECT_EQ(Value{"1"}.kind(), "string");
  EXPECT_EQ(Value{ValueList{}}.kind(), "list");
  EXPECT_EQ(Value{ValueMap{}}.kind(), "map");
  EXPECT_NE(Value{1}, Value{1.0});
  EXPECT_NE(Value{0}, Value{false});
  EXPECT_NE(Value{0}, Value{});
}

TEST(Value, UnsignedNumbersTooLargeForAnIntegerBecomeFloats) {
  EXPECT_TRUE(Value{uint64_t{9223372036854775807u}}.is_int());
  Value large{uint64_t{9223372036854775808u}};
  ASSERT_TRUE(large.is_double());
  EXPECT_EQ(large.as_number(), 9223372036854775808.0);
}

TEST(Value, FindsMembersOfMapsOnly) {
  Value map{ValueMap{{"a", 1}}};
  ASSERT_NE(map.find("a"), nullptr);
  EXPECT_EQ(map.find("a")->as_int(), 1);
  EXPECT_EQ(map.find("b"), nullptr);
  EXPECT_EQ(Value{1}.find("a"), nullptr);
}

TEST(Value, PrintsAsAProgramWantsIt) {
  EXPECT_EQ(Value{}.to_text(), "");
  EXPECT_EQ(Value{true}.to_text(), "true");
  EXPECT_EQ(Value{int64_t{-9007199254740993}}.to_text(), "-9007199254740993");
  EXPECT_EQ(Value{"it's"}.to_text(), "it's");
  EXPECT_EQ((Value{ValueList{1, 2.0, "a"}}.to_text()), "[1,2.0,\"a\"]");
  EXPECT_EQ((Value{ValueMap{{"b", 1}, {"a", nullptr}}}.to_text()), "{\"a\":null,\"b\":1}");
}

TEST(Floats, AreAsShortAsTheyCanBe) {
  EXPECT_EQ(shortest_text(0.1), "0.1");
  EXPECT_EQ(shortest_text(1.0), "1.0");
  EXPECT_EQ(shortest_text(-0.0), "-0.0");
  EXPECT_EQ(shortest_text(1e-5), "1e-05");
  EXPECT_EQ(shortest_text(0.3), "0.3");
  EXPECT_EQ(shortest_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(shortest_text(5e-324), "5e-324");
  EXPECT_EQ(shortest_text(std::nan("")), "NaN");
  EXPECT_EQ(shortest_text(infinity), "Infinity");
  EXPECT_EQ(shortest_text(-infinity), "-Infinity");
}

TEST(Floats, ReadBackTheSameWhateverTheirBits) {
  std::mt19937_64 random{1};
  for (int n = 0; n < 20'000; ++n) {
    auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    auto text = shortest_text(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text << " reads back as an integer";
  }
}

}  // namespace
}  // namespace troupe
