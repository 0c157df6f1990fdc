#include "actors/head/standstill.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Standstill, CountsWhatALookWasTooLate) {
  Standstill standstill{seconds{1}};
  EXPECT_EQ(standstill.look(seconds{100}), seconds{0}) << "the first knows nothing";
  EXPECT_EQ(standstill.look(seconds{101}), seconds{0});
  EXPECT_EQ(standstill.look(milliseconds{102'900}), seconds{0}) << "load";
  EXPECT_EQ(standstill.look(milliseconds{117'900}), seconds{14});
  EXPECT_EQ(standstill.look(milliseconds{118'900}), seconds{0}) << "once";
}

}  // namespace
}  // namespace troupe::actors
