#include "runtime/topology/numbers.hpp"

#include <gtest/gtest.h>

namespace troupe::topology {
namespace {

TEST(Numbers, AreWrittenAndReadAsRanges) {
  EXPECT_EQ(to_text({}), "");
  EXPECT_EQ(to_text({3}), "3");
  EXPECT_EQ(to_text({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
  EXPECT_EQ(*parse_numbers("7-8,0-2,5,5"), (Numbers{0, 1, 2, 5, 7, 8}));
  EXPECT_TRUE(parse_numbers("")->empty());
}

TEST(Numbers, OtherTextIsRefused) {
  for (const char* text : {"a", "1-", "-1", "3-1", "1,,2", "65536", "0-99999999999", "1 2"})
    EXPECT_FALSE(parse_numbers(text)) << text;
}

TEST(Numbers, AreAddedOnce) {
  Numbers numbers{1, 5};
  add(numbers, {5, 2});
  EXPECT_EQ(numbers, (Numbers{1, 2, 5}));
}

TEST(BusId, IsTheSameHoweverItIsWritten) {
  EXPECT_EQ(bus_id("00000000:3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(bus_id("3b:00.0"), "0000:3b:00.0");
  EXPECT_EQ(bus_id("ffff:ff:01.0"), "ffff:ff:01.0");
  EXPECT_EQ(bus_id("0001:00:00.7"), "0001:00:00.7");
  for (const char* text : {"", "3b", "GPU-1", "0000:3b:00", "x:3b:00.0", "0000:3b:00.", "."})
    EXPECT_EQ(bus_id(text), "") << text;
}

}  // namespace
}  // namespace troupe::topology
