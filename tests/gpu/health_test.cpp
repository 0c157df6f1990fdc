#include "gpu/health.hpp"

#include <gtest/gtest.h>

namespace troupe::gpu {
namespace {

TEST(Health, XidsSayWhoseFaultItIs) {
  for (uint64_t xid : {46, 48, 64, 79, 95}) EXPECT_EQ(meaning_of(xid), XidMeaning::broken) << xid;
  EXPECT_EQ(meaning_of(94), XidMeaning::restart);
  for (uint64_t xid : {13, 31, 43, 45, 999}) EXPECT_EQ(meaning_of(xid), XidMeaning::own) << xid;
}

TEST(Health, TheFirstBreakIsTheCauseOfTheOthers) {
  Health health;
  EXPECT_EQ(health.closed(), "");
  health.event({"GPU-a", 31});
  EXPECT_EQ(health.closed(), "");
  EXPECT_EQ(health.note(), "its driver reports Xid 31");
  health.event({"GPU-a", 79});
  health.lost(Error{Errc::not_found, "GPU-a is gone", "", ""});
  EXPECT_EQ(health.closed(), "its driver reports Xid 79");
  EXPECT_EQ(health.broken(), health.closed());
}

TEST(Health, MemoryErrorsCountFromTheFirstLook) {
  Health health;
  DeviceState state;
  state.ecc_double = 5;  // before anybody watched
  health.state(state);
  EXPECT_EQ(health.closed(), "");
  state.ecc_double = 6;
  health.state(state);
  EXPECT_EQ(health.closed(), "it had 1 uncorrected memory error while it was watched");
}

TEST(Health, HeatIsNoted) {
  Health health;
  DeviceState state;
  state.hot = true;
  state.celsius = 91;
  health.state(state);
  EXPECT_EQ(health.closed(), "");
  EXPECT_NE(health.note().find("91"), std::string::npos);
}

TEST(Health, WhatIsLeftClosesUntilItIsGone) {
  Health health;
  health.left_over("a process");
  EXPECT_EQ(health.closed(), "a process");
  EXPECT_EQ(health.broken(), "");
  health.left_over("");
  EXPECT_EQ(health.closed(), "");
}

TEST(Driver, ATooOldOneIsToldWithBothVersions) {
  EXPECT_EQ(driver_shortcoming({"535.104.05", 12020}, 13000),
            "driver 535.104.05 runs CUDA up to 12.2, the toolkit is 13.0");
  EXPECT_EQ(driver_shortcoming({"535.104.05", 12020}, 12080), "");  // of one major version
  EXPECT_EQ(driver_shortcoming({"580.65", 13000}, 12040), "");
  EXPECT_EQ(driver_shortcoming({"", 0}, 13000), "");
  EXPECT_EQ(driver_shortcoming({"535.104.05", 12020}, 0), "");
}

}  // namespace
}  // namespace troupe::gpu
