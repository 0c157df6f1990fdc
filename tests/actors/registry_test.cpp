// What the registry decides about nodes by itself, and what people say to that.
#include "actors/head/registry.hpp"

#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Registry : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    registry =
        sys.spawn(registry_behavior, context, RegistryPeers{director, scheduler, ledger_gate});
    run();
  }
  void TearDown() override {
    end(registry);
    stop_head();
  }
  NodeHello hello_of(const std::string& name) {
    NodeHello hello;
    hello.name = name;
    hello.milli_cpus = 4000;
    hello.mem = 8ull << 30;
    hello.epoch = 1;
    hello.time_us = clock->now().us;
    return hello;
  }
  std::shared_ptr<NodeProbe> join(const NodeHello& hello) {
    auto probe = std::make_shared<NodeProbe>();
    nodes.push_back(sys.spawn(fake_node, probe));
    EXPECT_TRUE(ask<NodeWelcome>(registry, hello_atom_v, hello, nodes.back()));
    return probe;
  }
  std::shared_ptr<NodeProbe> join(const std::string& name) { return join(hello_of(name)); }
  void stuck(const std::string& node, const std::string& what) {
    caf::anon_send(registry, stuck_atom_v, node, what);
    run();
  }
  void drain(const std::string& node, bool drained) {
    EXPECT_TRUE(ask<bool>(registry, drain_atom_v, node, drained));
  }
  api::NodeView view(const std::string& name) {
    auto views = ask<NodeViewsRef>(registry, nodes_atom_v);
    if (views)
      for (const auto& each : **views)
        if (each.name == name) return each;
    return {};
  }
  std::vector<std::string> node_events() {
    std::vector<std::string> list;
    auto events = ledger->events(0, 1000);
    for (const auto& event : *events)
      if (event.kind == "node") list.push_back(event.subject + " " + event.to + ": " + event.cause);
    return list;
  }

  registry_actor registry;
};

TEST_F(Registry, DrainsANodeWithWhatCannotBeKilledUntilThatHasEnded) {
  auto a = join("a");
  stuck("a", "what job 1.worker.0 runs was killed and does not end: process 7");
  EXPECT_EQ(view("a").state, "drained");
  EXPECT_THAT(view("a").reason, HasSubstr("process 7"));
  ASSERT_TRUE(submit(spec_of()));
  EXPECT_THAT(a->started, IsEmpty());
  stuck("a", "");
  EXPECT_EQ(view("a").state, "up");
  EXPECT_EQ(view("a").reason, "");
  EXPECT_EQ(a->started.size(), 1u);
  EXPECT_THAT(node_events(), ElementsAre(HasSubstr("a drained: what job 1.worker.0"),
                                         HasSubstr("a up: what could not be killed")));
}

TEST_F(Registry, KnowsOfWhatCannotBeKilledFromTheFirstWord) {
  auto hello = hello_of("a");
  hello.stuck = "process 7";
  auto a = join(hello);
  EXPECT_EQ(view("a").state, "drained");
  ASSERT_TRUE(submit(spec_of()));
  EXPECT_THAT(a->started, IsEmpty());
}

TEST_F(Registry, LetsPeopleUseANodeWithWhatCannotBeKilled) {
  join("a");
  stuck("a", "process 7");
  drain("a", false);
  EXPECT_EQ(view("a").state, "up");
  stuck("a", "process 7; process 8");
  EXPECT_EQ(view("a").state, "up") << "more of the same";
  stuck("a", "");
  stuck("a", "process 9");
  EXPECT_EQ(view("a").state, "drained") << "that is another story";
}

TEST_F(Registry, LeavesADrainOfPeopleToThem) {
  join("a");
  drain("a", true);
  stuck("a", "process 7");
  stuck("a", "");
  EXPECT_EQ(view("a").state, "drained");
  EXPECT_EQ(view("a").reason, "");
  EXPECT_THAT(node_events(), IsEmpty());
}

/// Experiments that fail by the fault of their node, one after the other.
class Lemons : public Registry {
 protected:
  void fail(const std::string& node, uint64_t experiment) {
    advance(seconds{5});
    context->failures->add(node, {clock->now(), {experiment, 0}, "the launcher died"});
    caf::anon_send(registry, suspect_atom_v);
    run();
  }
  void fail_thrice(const std::string& node) {
    for (uint64_t experiment : {1, 2, 3}) fail(node, experiment);
  }
};

TEST_F(Lemons, AreDrainedWithTheEvidenceAndForgivenInOneStep) {
  for (const auto* node : {"a", "b", "c"}) join(node);
  fail("a", 1);
  fail("a", 1);
  fail("a", 2);
  EXPECT_EQ(view("a").state, "up");
  EXPECT_EQ(view("a").failures.size(), 2u);
  fail("a", 3);
  EXPECT_EQ(view("a").state, "drained");
  EXPECT_EQ(view("a").reason, "3 experiments failed by its fault: 1, 2, 3");
  EXPECT_THAT(view("a").failures.back(), HasSubstr("3: the launcher died"));
  EXPECT_THAT(node_events(), ElementsAre(HasSubstr("a drained: 3 experiments")));
  advance(std::chrono::hours{48});
  EXPECT_EQ(view("a").failures.size(), 3u) << "evidence stays as long as the drain";
  drain("a", false);
  EXPECT_EQ(view("a").state, "up");
  EXPECT_THAT(view("a").failures, IsEmpty());
  fail("a", 4);
  EXPECT_EQ(view("a").state, "up") << "with a clean slate";
}

TEST_F(Lemons, StayDrainedWhenTheyComeBack) {
  join("a");
  join("b");
  fail_thrice("a");
  auto hello = hello_of("a");
  hello.epoch = 2;
  caf::anon_send_exit(nodes[0], caf::exit_reason::user_shutdown);
  run();
  auto again = join(hello);
  EXPECT_EQ(view("a").state, "drained");
  EXPECT_EQ(view("a").failures.size(), 3u);
}

TEST_F(Lemons, AreNotDrainedWhereTooFewWouldBeLeft) {
  join("a");
  fail_thrice("a");
  EXPECT_EQ(view("a").state, "up") << "it is all there is";
  join("b");
  fail("a", 4);
  EXPECT_EQ(view("a").state, "drained");
  fail_thrice("b");
  EXPECT_EQ(view("b").state, "up");
}

TEST_F(Registry, TellsHowFarClocksAreApart) {
  auto ahead = hello_of("a");
  ahead.time_us += 90'000'000;
  join(ahead);
  auto silent = hello_of("b");
  silent.time_us = 0;
  join(silent);
  EXPECT_EQ(view("a").clock_ahead_ms, 90'000);
  EXPECT_FALSE(view("b").clock_ahead_ms);
}

TEST_F(Registry, AClosedGpuIsShownToldAndGivenToNobody) {
  auto hello = hello_of("a");
  hello.gpus = 2;
  hello.topology = "{}";
  hello.devices.devices = {{0, "GPU-a", "0000:10:00.0", "A100", ""},
                           {1, "GPU-b", "0000:11:00.0", "A100", ""}};
  join(hello);
  EXPECT_EQ(view("a").topology, "{}");
  auto report = hello.devices;
  report.devices[1].closed = "its driver reports Xid 79";
  caf::anon_send(registry, devices_atom_v, std::string{"a"}, report);
  caf::anon_send(registry, devices_atom_v, std::string{"a"}, report);  // said twice, told once
  run();
  ASSERT_EQ(view("a").devices.size(), 2u);
  EXPECT_EQ(view("a").devices[1].closed, "its driver reports Xid 79");
  EXPECT_THAT(node_events(),
              ::testing::ElementsAre("a closed: GPU 1 (GPU-b): its driver reports Xid 79"));
  schedule::Request request;
  request.id = {9, 0};
  request.amount = {1000, 0, 2};
  caf::anon_send(scheduler, queue_atom_v, share(request));
  run();
  auto why = ask<WaitingRef>(scheduler, why_atom_v, request.id);
  ASSERT_TRUE(why);
  EXPECT_THAT((**why).reasons, ::testing::Contains(::testing::HasSubstr("where 1 cannot be used")));
  report.devices[1].closed.clear();
  caf::anon_send(registry, devices_atom_v, std::string{"a"}, report);
  run();
  EXPECT_THAT(node_events().back(), ::testing::HasSubstr("is given to jobs again"));
}

}  // namespace
}  // namespace troupe::actors
