#include "runtime/core/budget.hpp"

#include "runtime/core/spec.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(Budget, ReadsDevicesAndTimes) {
  auto gpus = parse_budget("40gpuh").value();
  EXPECT_EQ(gpus.kind, Budget::Kind::gpu);
  EXPECT_EQ(gpus.amount_us, 144'000'000'000u);
  EXPECT_EQ(parse_budget("0.5 cpuh").value(), (Budget{Budget::Kind::cpu, 1'800'000'000}));
  EXPECT_EQ(parse_budget("1h 30m").value(), (Budget{Budget::Kind::wall, 5'400'000'000}));
  for (const auto* text : {"40gpuh", "0.125cpuh", "2h", "1h 30m", "1h 30m 7s"}) {
    auto budget = parse_budget(text).value();
    EXPECT_EQ(parse_budget(to_string(budget)).value(), budget) << text;
  }
  EXPECT_EQ(to_string(gpus), "40gpuh");
  EXPECT_EQ(to_string(parse_budget("2h").value()), "2h");
}

TEST(Budget, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "40", "gpuh", "0gpuh", "-1gpuh", "nangpuh", "1e300gpuh", "0s", "40 gpus", "4 0gpuh"}) {
    auto budget = parse_budget(text);
    ASSERT_FALSE(budget) << text;
    EXPECT_EQ(budget.error().code, Errc::invalid);
    EXPECT_FALSE(budget.error().hint.empty());
  }
}

TEST(Budget, CountsCoresWhereNoGpuIsAskedFor) {
  auto budget = parse_budget("40gpuh").value();
  Resources cores;
  cores.cpus = 2.5;
  EXPECT_EQ(budget.unit(cores), "cpu_core_hours");
  EXPECT_EQ(budget.devices(cores), 2.5);
  Resources shared;
  shared.gpus = 1;
  shared.gpu_share = 250;
  EXPECT_EQ(budget.unit(shared), "gpu_hours");
  EXPECT_EQ(budget.devices(shared), 0.25);
  EXPECT_EQ(parse_budget("2h").value().unit(shared), "hours");
}

}  // namespace
}  // namespace troupe
