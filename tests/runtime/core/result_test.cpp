#include "runtime/core/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace troupe {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Errc::invalid, "odd", "", ""};
  return n / 2;
}

Result<void> check(int n, int& reached) {
  auto even = [&]() -> Result<void> {
    if (n % 2 != 0) return Error{Errc::invalid, "odd", "", ""};
    return ok();
  };
  TROUPE_TRY(even());
  ++reached;
  return ok();
}

TEST(Result, HoldsAValueOrAnError) {
  auto good = half(4);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 2);
  EXPECT_EQ(good.value_or(7), 2);
  auto bad = half(3);
  ASSERT_FALSE(bad);
  EXPECT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().what, "odd");
  EXPECT_EQ(bad.value_or(7), 7);
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result{std::make_unique<int>(5)};
  auto taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ASuccessfulResultOfErrorLikeTextIsStillASuccess) {
  Result<std::string> text{std::string{"error"}};
  ASSERT_TRUE(text);
  EXPECT_EQ(text->size(), 5u);
  text->append("!");
  EXPECT_EQ(*text, "error!");
}

TEST(Result, TryLeavesWithTheError) {
  int reached = 0;
  EXPECT_TRUE(check(2, reached));
  EXPECT_EQ(reached, 1);
  auto bad = check(3, reached);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::invalid);
  EXPECT_EQ(reached, 1);
}

TEST(ResultDeathTest, TheWrongHalfIsABugAndNamesTheError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)half(3).value(), "odd");
  EXPECT_DEATH((void)half(4).error(), "good result");
  EXPECT_DEATH((void)ok().error(), "good result");
}

}  // namespace
}  // namespace troupe
