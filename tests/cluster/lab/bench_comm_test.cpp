// `troupe bench comm` over machines that have nothing in common but a network.
#include "tests/cluster/lab/lab_machines.hpp"

#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::ContainsRegex;

class BenchCommOverMachines : public LabTest {};

TEST_F(BenchCommOverMachines, HoldsTwoOfTwoRanksEachAgainstTheLink) {
  LabMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  auto ran = many.cli({"bench", "comm", "--processes", "2", "--max", "64KiB"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err,
              ContainsRegex("4 ranks on 2 hosts; one stream from one to another: .* GB/s"));
}

}  // namespace
}  // namespace troupe::cluster
