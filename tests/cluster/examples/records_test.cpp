// The C++ example that reads records, as a job of two ranks.
#include "tests/cluster/many.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

TEST(RecordsExample, EachRankCountsItsHalf) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  {
    std::ofstream table{many.path("prices.csv")};
    table << "day,price\n";
    for (int day = 100; day < 201; ++day) table << day << ",7\n";
  }
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("prices.csv")}).code, 0);
  auto ran = many.cli({"run", "--no-code", "--workers", "2", "--data", "prices", "--",
                       COUNT_PROGRAM, "prices", "prices.csv"});
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("51 of 101 records, 255 bytes"));
  EXPECT_THAT(ran.out, HasSubstr("50 of 101 records, 250 bytes"));
  auto none = many.cli({"run", "--no-code", "--", COUNT_PROGRAM, "prices", "prices.csv"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.out, HasSubstr("submit with --data prices"));
}

}  // namespace
}  // namespace troupe::cluster
