// What the simulation itself promises, and the seeds that found something.
#include "tests/sim/simulation.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <unistd.h>

namespace troupe::sim {
namespace {

using ::testing::IsEmpty;

class Simulation : public ::testing::Test {
 protected:
  Outcome run(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    options.dir = fmt::format("{}/troupe-sim-test-{}", memory_folder(), ::getpid());
    return simulate(options);
  }
};

TEST_F(Simulation, OneSeedIsOneHistory) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    auto first = run(seed), second = run(seed);
    EXPECT_EQ(first.history, second.history) << seed;
    EXPECT_EQ(first.steps, second.steps) << seed;
  }
}

TEST_F(Simulation, AnotherSeedIsAnotherHistory) {
  EXPECT_NE(run(1).history, run(2).history);
}

TEST_F(Simulation, EveryKindOfFaultHappens) {
  std::array<uint64_t, static_cast<size_t>(Fault::count_)> sum{};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto outcome = run(seed);
    for (size_t kind = 0; kind < sum.size(); ++kind) sum[kind] += outcome.faults[kind];
  }
  for (size_t kind = 0; kind < sum.size(); ++kind)
    EXPECT_GT(sum[kind], 0u) << to_string(static_cast<Fault>(kind));
}

TEST_F(Simulation, SeedsThatOnceFailed) {
  for (uint64_t seed :
       {46, 170, 353, 603, 620, 711, 902, 1420, 2132, 3659, 3858, 4293, 4488, 4668, 6468, 6669})
    EXPECT_THAT(run(seed).failures, IsEmpty()) << seed;
}

}  // namespace
}  // namespace troupe::sim
