#include "hpo/predicate.hpp"

#include "runtime/core/condition_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::hpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<bool> holds(std::string_view text, const Point& point = {}) {
  auto predicate = Predicate::parse(text);
  EXPECT_TRUE(predicate) << text << ": " << to_string(predicate.error());
  return predicate ? predicate->holds(point) : std::nullopt;
}

TEST(Predicate, ComputesAndCompares) {
  const Point point{{"a", 3}, {"b", 0.5}, {"c", "x"}, {"d.e", true}, {"f-g", Value{}}};
  for (const auto* text : {"a == 3",
                           "a == 3.0",
                           "a != 4",
                           "a > 2",
                           "a >= 3",
                           "2 < a",
                           "a <= 3",
                           "a in [1, 2, 3]",
                           "a not in [1, 2]",
                           "c == \"x\"",
                           "c == 'x'",
                           "c in ['x', 'y']",
                           "d.e",
                           "not (a == 4)",
                           "`f-g` == null",
                           "a * b == 1.5",
                           "a + 2 * b == 4",
                           "(a + 2) * b == 2.5",
                           "-a == -3",
                           "a % 2 == 1",
                           "a / 2 == 1.5",
                           "a - 1 - 1 == 1",
                           "min(a, 2) == 2",
                           "max(a, 2, 7) == 7",
                           "abs(-a) == 3",
                           "log2(8) == a",
                           "a == 3 and b < 1",
                           "a == 4 or b < 1",
                           "!(a == 4)",
                           "a == 3 && (b > 1 || c == 'x')",
                           "b == .5",
                           "a > -1e3"})
    EXPECT_EQ(holds(text, point), true) << text;
  for (const auto* text : {"a == 4", "c == 'y'", "not d.e", "a < 3"})
    EXPECT_EQ(holds(text, point), false) << text;
}

TEST(Predicate, WhatIsMissingDecidesNothing) {
  EXPECT_EQ(holds("a == 1"), std::nullopt);
  EXPECT_EQ(holds("not a == 1"), std::nullopt);
  EXPECT_EQ(holds("a == 1 or b == 2", {{"b", 2}}), true);
  EXPECT_EQ(holds("a == 1 or b == 2", {{"b", 3}}), std::nullopt);
  EXPECT_EQ(holds("a == 1 and b == 2", {{"b", 3}}), false);
  EXPECT_EQ(holds("a == 1 and b == 2", {{"b", 2}}), std::nullopt);
}

TEST(Predicate, SaysWhereItCannotBeRead) {
  for (const auto* text : {"", "a ==", "a == 1 b", "(a == 1", "a in 3", "a in [b]", "a == \"x",
                           "sin(a) > 1", "a = 1", "1..2 == a", "`a == 1", "abs(a, 1) > 0"}) {
    auto predicate = Predicate::parse(text);
    ASSERT_FALSE(predicate) << text;
    EXPECT_EQ(predicate.error().code, Errc::invalid);
    EXPECT_FALSE(predicate.error().detail.empty()) << text;
  }
  EXPECT_FALSE(Predicate::parse(std::string(1000, '(') + "a"));
  EXPECT_FALSE(Predicate::parse(std::string(5000, 'a')));
  EXPECT_THAT(Predicate::parse("a + b < 3").value().numeric_names(), ElementsAre("a", "b"));
  EXPECT_THAT(Predicate::parse("a == 3 and c == b").value().names(), ElementsAre("a", "c", "b"));
}

TEST(Predicate, ReadsWhatIsWrittenOfMaps) {
  const Point point{{"a", "it's \"so\""}, {"b-c", 2}, {"in", 1}};
  auto text = all_of_text({{"a", point.at("a")}, {"b-c", ValueList{1, 2}}, {"in", 1}});
  EXPECT_EQ(text, "a == \"it's \\\"so\\\"\" and `b-c` in [1, 2] and `in` == 1");
  EXPECT_EQ(holds(text, point), true);
  EXPECT_EQ(both_text("a", ""), "a");
}

}  // namespace
}  // namespace troupe::hpo
