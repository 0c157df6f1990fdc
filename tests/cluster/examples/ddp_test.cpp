// The PyTorch example, as a user of DistributedDataParallel has it: the same loss on any number of
// ranks, and a training over two machines.
#include "tests/cluster/examples/mnist_runs.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

constexpr const char* torch = "torch.distributed";

TEST(Ddp, HasTheSameLossOnAnyNumberOfRanks) {
  if (auto why = why_not(torch); !why.empty()) GTEST_SKIP() << why;
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto project = example_with_mnist(up, "ddp");
  auto loss_on = [&](const char* workers) {
    auto ran =
        up.cli({"run", "--workers", workers, "--param", "images=4096", "--param", "epochs=2"}, 250s,
               project);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    return last_of(ran.out, "loss");
  };
  auto one = loss_on("1");
  EXPECT_LT(one, 1.0);
  for (const auto* workers : {"2", "4"})
    EXPECT_NEAR(loss_on(workers), one, 0.005 * one) << workers << " ranks";
}

class DdpOverMachines : public LabTest {
 protected:
  void SetUp() override {
    LabTest::SetUp();
    if (IsSkipped()) return;
    if (auto why = why_not(torch); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(DdpOverMachines, LearnsOnTwo) {
  LabMachines many{{"--cpus", "1", "--mem", "4GiB"}};
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  auto project = example_with_mnist(many, "ddp");
  auto ran = many.cli({"run", "--workers", "2", "--param", "epochs=2"}, 400s, project);
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_GE(last_of(ran.out, "accuracy"), 0.97) << ran.out;
  auto shown = many.cli({"show", "1", "-o", "json"});
  EXPECT_THAT(shown.out, HasSubstr(R"("w1")"));
  EXPECT_THAT(shown.out, HasSubstr(R"("w2")"));
}

}  // namespace
}  // namespace troupe::cluster
