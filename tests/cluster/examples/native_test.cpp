// The native example: the same training on any number of ranks, going on from its checkpoint, and
// over two machines.
#include "runtime/core/fd.hpp"
#include "tests/cluster/examples/mnist_runs.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

std::string native_project(UpProcess& up) {
  auto project = example_with_mnist(up, "native");
  std::filesystem::copy(NATIVE_PROGRAM, project);
  return project;
}

/// What `troupe run` of these options said.
std::string trained(UpProcess& up, const std::string& project, std::vector<std::string> options) {
  options.insert(options.begin(), "run");
  auto ran = up.cli(options, 250s, project);
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  return ran.out;
}

/// "weights DIGEST after N steps", from the last line that says so.
std::string weights_of(const std::string& text) {
  auto at = text.rfind("weights ");
  return at == std::string::npos ? "none" : text.substr(at, text.find('\n', at) - at);
}

class Native : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto why = why_not(""); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(Native, TrainsTheSameOnAnyNumberOfRanks) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto project = native_project(up);
  auto on = [&](const char* workers, const char* exact) {
    return trained(up, project,
                   {"--workers", workers, "--param", "images=8192", "--param", "epochs=2",
                    "--param", fmt::format("exact={}", exact)});
  };
  auto one = on("1", "0");
  auto loss = last_of(one, "loss");
  EXPECT_THAT(weights_of(one), HasSubstr("after 64 steps"));
  EXPECT_LT(loss, 0.5) << one;
  for (const auto* workers : {"2", "4"})
    EXPECT_NEAR(last_of(on(workers, "0"), "loss"), loss, 0.005 * loss) << workers;
  auto weights = weights_of(on("1", "1"));
  for (const auto* workers : {"2", "3", "4"})
    EXPECT_EQ(weights_of(on(workers, "1")), weights) << workers << " ranks";
}

TEST_F(Native, GoesOnFromItsCheckpointAsIfNothingHadHappened) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto project = native_project(up);
  auto write = [&](const std::string& name, const std::string& run,
                   const std::string& more = "workers: 2\ndata: [mnist]\n") {
    auto text = fmt::format(
        "project: mnist\nrun: {}\nresources: {{cpus: 1}}\nretry: {{count: 1, backoff: 100ms}}\n{}",
        run, more);
    ASSERT_TRUE(replace_file(project + "/" + name, text, 0644, false));
  };
  const std::string train = "./train_native --images 4096 --save-every 3 --exact 1 --epochs ";
  write("whole.yaml", train + "2");
  // In the middle of the second epoch, by twice as many ranks.
  write("more.yaml", "TROUPE_RESUME=$TROUPE_DATA_BEFORE/checkpoints/step-18 " + train + "2",
        "workers: 4\ndata: [mnist, {source: 1/out, mount: before}]\n");
  // The first attempt has one epoch and fails, the second goes on to the end of the other.
  write("cut.yaml", train + "$TROUPE_ATTEMPT && [ $TROUPE_ATTEMPT = 2 ]");
  auto whole = trained(up, project, {"-f", "whole.yaml"});
  auto cut = trained(up, project, {"-f", "cut.yaml"});
  EXPECT_THAT(cut, HasSubstr("going on at step 16"));
  EXPECT_THAT(weights_of(whole), HasSubstr("after 32 steps"));
  EXPECT_EQ(weights_of(cut), weights_of(whole));
  EXPECT_EQ(last_of(cut, "loss"), last_of(whole, "loss"));
  auto more = trained(up, project, {"-f", "more.yaml"});
  EXPECT_THAT(more, HasSubstr("going on at step 18"));
  EXPECT_EQ(weights_of(more), weights_of(whole));
  EXPECT_EQ(last_of(more, "loss"), last_of(whole, "loss"));
}

class NativeOverMachines : public LabTest {
 protected:
  void SetUp() override {
    LabTest::SetUp();
    if (IsSkipped()) return;
    if (auto why = why_not(""); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(NativeOverMachines, LearnsOnTwoOfTwoRanksEach) {
  LabMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  auto project = native_project(many);
  auto said = trained(many, project, {"--workers", "2", "--processes", "2", "--cpus", "2"});
  EXPECT_GE(last_of(said, "accuracy"), 0.97) << said;
  auto shown = many.cli({"show", "1", "-o", "json"});
  EXPECT_THAT(shown.out, HasSubstr(R"("w1")"));
  EXPECT_THAT(shown.out, HasSubstr(R"("w2")"));
}

}  // namespace
}  // namespace troupe::cluster
