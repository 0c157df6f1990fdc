// A job of a gang waits for the others, and hears where they listen.
#include "tests/actors/job_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(Job, OfAGangIsSetUpAndThenWaitsForTheOthers) {
  order.phases = {{{"setup"}, true}, {{"train"}, false}};
  order.nodes = order.world_size = 2;
  begin();
  finish(0);
  EXPECT_EQ(launcher->started.size(), 1u) << "setup alone";
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase, 0u);
  caf::anon_send(job, phase_atom_v, PhaseStart{1, {}});
  run();
  EXPECT_EQ(launcher->started.size(), 2u);
}

TEST_F(Job, OfAGangHearsWhereTheOthersListenWithTheWordToBegin) {
  // Far from what jobs of this machine get.
  auto with_ports = std::make_shared<WorkerContext>(*context);
  with_ports->ports = std::make_shared<process::PortBook>(18000, 19600);
  context = with_ports;
  order.nodes = order.world_size = 2;
  order.node_rank = 1;
  order.hosts = {{"a", "10.0.0.1", 0}, {"b", "10.0.0.2", 0}};
  begin();
  auto own = updates->back().first_port;
  EXPECT_GE(own, 18000);
  caf::anon_send(job, phase_atom_v, PhaseStart{0, {21000, 1}});
  run();
  ASSERT_EQ(launcher->started.size(), 1u);
  const auto& env = launcher->started[0].processes[0].env;
  EXPECT_THAT(env, Contains("MASTER_ADDR=10.0.0.1"));
  EXPECT_THAT(env, Contains("MASTER_PORT=21000"));
  EXPECT_THAT(env, Contains(HasSubstr(fmt::format("10.0.0.2:{}", own + 4)))) << "not what the head "
                                                                                "says of itself";
  finish(0);
  auto again = with_ports->ports->take("next", 4, 4);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, own) << "it is free again";
}

TEST_F(Job, FailsWhereNoPortsAreLeft) {
  auto with_ports = std::make_shared<WorkerContext>(*context);
  with_ports->ports = std::make_shared<process::PortBook>(19600, 19601);
  context = with_ports;
  begin();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().error.code, Errc::exhausted);
}

TEST_F(Job, OfAGangIsStoppedWhileItWaitsToStart) {
  order.nodes = order.world_size = 2;
  begin();
  stop();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
}

TEST_F(Job, OfAGangWaitsBeforeAndBetweenLinesForTheOthers) {
  order.phases = {{{"train"}, false}, {{"evaluate"}, false}};
  order.nodes = order.world_size = 2;
  begin();
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase + 1, 0u);
  caf::anon_send(job, phase_atom_v, PhaseStart{0, {}});
  run();
  finish(0);
  EXPECT_EQ(launcher->started.size(), 1u);
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  caf::anon_send(job, phase_atom_v, PhaseStart{1, {}});
  run();
  ASSERT_EQ(launcher->started.size(), 2u);
  EXPECT_EQ(launcher->started[1].key, "42.worker.0/7/1");
  finish(0);
  EXPECT_EQ(updates->back().step, JobStep::ended);
}

}  // namespace
}  // namespace troupe::actors
