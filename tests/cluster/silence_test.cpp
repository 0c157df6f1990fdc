// Machines that say nothing, and workers that say nothing on machines that live.
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

using Silence = LabTest;

/// Says where it runs, for ever.
std::string stays(const LabMachines& many, const std::string& name) {
  return fmt::format("echo $TROUPE_ATTEMPT >> {}; exec sleep 1000", many.path(name));
}

TEST_F(Silence, OfAMachineIsTakenForItsDeathBeforeThatOfAWorkerWhoseMachineAnswers) {
  LabMachines many{{"--cpus", "1", "--mem", "1GiB"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("frozen"));
  auto first = many.submit_shell(stays(many, "first"), R"(,"resources":{"cpus":1})");
  ASSERT_TRUE(many.await_state(first, "RUNNING"));
  ASSERT_TRUE(many.start_worker("dark"));
  auto second = many.submit_shell(stays(many, "second"), R"(,"resources":{"cpus":1})");
  ASSERT_TRUE(many.await_state(second, "RUNNING"));
  ASSERT_TRUE(many.start_worker("spare"));
  many.worker("frozen").signal(SIGSTOP);
  many.lab().unplug("dark");
  EXPECT_TRUE(many.await_node("dark", "lost"));
  EXPECT_EQ(many.node_state("frozen"), "suspect");
  many.worker("frozen").signal(SIGCONT);
  EXPECT_TRUE(many.await_node("frozen", "up"));
  EXPECT_TRUE(await([&] { return many.lines("second").size() == 2; })) << "it starts elsewhere";
  EXPECT_EQ(many.lines("first").size(), 1u) << "and nothing happened here";
  many.lab().plug("dark");
  EXPECT_TRUE(many.await_node("dark", "up"));
  EXPECT_EQ(many.state(second), "RUNNING");
}

}  // namespace
}  // namespace troupe::cluster
