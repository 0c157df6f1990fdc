// The MNIST example as a user has it: pushed once, trained on two workers from the record reader
// and from the mounted files.
#include "tests/cluster/examples/mnist_runs.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

class Mnist : public LabTest {
 protected:
  void SetUp() override {
    LabTest::SetUp();
    if (IsSkipped()) return;
    if (auto why = why_not("numpy"); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(Mnist, LearnsOnTwoWorkersFromRecordsAndFromFiles) {
  LabMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  auto project = example_with_mnist(many, "mnist");
  auto first = many.cli({"data", "warm", "mnist", "--nodes", "w1"}, 100s);
  EXPECT_THAT(first.out, HasSubstr("from the head")) << first.err;
  for (const std::string read : {"records", "files"}) {
    auto ran = many.cli({"run", "--workers", "2", "--param", "read=" + read}, 250s, project);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_GE(last_of(ran.out, "accuracy"), 0.97) << ran.out;
  }
  // Each rank was on a machine of its own, and both had the data.
  auto shown = many.cli({"show", "1", "-o", "json"});
  EXPECT_THAT(shown.out, HasSubstr(R"("w1")"));
  EXPECT_THAT(shown.out, HasSubstr(R"("w2")"));
  auto second = many.cli({"data", "warm", "mnist", "--nodes", "w2"});
  EXPECT_THAT(second.out, HasSubstr("from node w1")) << "the second node was filled from the first";
}

}  // namespace
}  // namespace troupe::cluster
