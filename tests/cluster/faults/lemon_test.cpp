// A machine that fails one experiment after the other, for no fault of theirs.
#include "tests/cluster/faults/faults.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

using Lemon = FaultTest;

TEST_F(Lemon, GetsNothingNewAfterItsThirdFailureUntilItIsForgiven) {
  ASSERT_TRUE(many().start_head());
  for (const auto* worker : {"w1", "w2"}) ASSERT_TRUE(many().start_worker(worker));
  auto node = [&](const char* verb, const char* name) {
    EXPECT_EQ(many().cli({"node", verb, name}).code, 0);
  };
  std::vector<std::string> hurt;
  for (int failure = 1; failure <= 3; ++failure) {
    EXPECT_EQ(many().node_state("w1"), "up");
    node("drain", "w2");
    hurt.push_back(many().submit_shell("sleep 1000", two_cpus));
    ASSERT_TRUE(many().await_state(hurt.back(), "RUNNING"));
    node("resume", "w2");
    // What happens to several within two seconds is taken for one cause.
    pass(2500ms);
    for (auto pid : many().launchers_of("w1")) ::kill(pid, SIGKILL);
    ASSERT_TRUE(await([&] { return attempts(hurt.back()) == 2; }));
    EXPECT_EQ(many().cli({"kill", hurt.back()}).code, 0);
    many().await_end(hurt.back());
  }
  ASSERT_TRUE(many().await_node("w1", "drained"));
  auto shown = many().cli({"node", "show", "w1"}).out;
  EXPECT_THAT(shown, HasSubstr("3 experiments failed by its fault: " + hurt[0] + ", " + hurt[1]));
  EXPECT_THAT(shown, HasSubstr(hurt[2] + ": "));
  auto next = many().submit_shell("true", two_cpus);
  EXPECT_EQ(many().await_end(next), "FINISHED");
  auto jobs = *many().show(next).find("jobs");
  EXPECT_EQ(text_of(jobs.as_list().at(0), "node"), "w2");
  node("resume", "w1");
  EXPECT_EQ(many().node_state("w1"), "up");
  EXPECT_EQ(many().cli({"node", "show", "w1"}).out.find("failed by its fault"), std::string::npos);
}

}  // namespace
}  // namespace troupe::cluster
