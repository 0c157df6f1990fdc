// The MNIST example as a user has it: pushed once, trained on two workers from the record reader
// and from the mounted files.
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Where the four IDX files lie, packed or not.
std::string mnist() {
  const char* given = std::getenv("TROUPE_MNIST");
  return given == nullptr ? "/work/shared/data/mnist" : given;
}

class Mnist : public LabTest {
 protected:
  void SetUp() override {
    LabTest::SetUp();
    if (IsSkipped()) return;
    if (!fs::exists(mnist() + "/train-images-idx3-ubyte.gz"))
      GTEST_SKIP() << "no MNIST in " << mnist() << " (TROUPE_MNIST)";
    if (std::system("/usr/bin/python3 -c 'import numpy' 2> /dev/null") != 0)
      GTEST_SKIP() << "/usr/bin/python3 has no numpy";
  }
};

/// Of the last line that says one; 0 where none does.
double last_accuracy(const std::string& text) {
  const std::string before = R"("accuracy", "value": )";
  auto at = text.rfind(before);
  return at == std::string::npos ? 0 : std::atof(text.c_str() + at + before.size());
}

TEST_F(Mnist, LearnsOnTwoWorkersFromRecordsAndFromFiles) {
  LabMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  fs::copy(TROUPE_SOURCE "/docs/examples/mnist", many.path("example"));
  auto pushed = many.cli({"data", "push", "mnist", mnist(), "--unpack"}, 100s);
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  auto first = many.cli({"data", "warm", "mnist", "--nodes", "w1"}, 100s);
  EXPECT_THAT(first.out, HasSubstr("from the head")) << first.err;
  for (const std::string read : {"records", "files"}) {
    auto ran =
        many.cli({"run", "--workers", "2", "--param", "read=" + read}, 250s, many.path("example"));
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_GE(last_accuracy(ran.out), 0.97) << ran.out;
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
