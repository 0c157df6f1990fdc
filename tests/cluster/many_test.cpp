// A head and workers as processes of their own: joining, and living through each other's deaths.
#include "tests/cluster/many.hpp"

#include <fmt/format.h>

#include <fstream>
#include <set>

namespace troupe::cluster {
namespace {

/// A job that leaves a mark for each time it is started and ended.
std::string marking(const ManyMachines& many, const std::string& name, int seconds) {
  return fmt::format(
      "echo begin >> {0}/{1}; echo first line; sleep {2}; echo last line; echo end >> {0}/{1}; "
      "exit "
      "7",
      many.root(), name, seconds);
}

TEST(ManyMachines, RunJobsWithCodeLogsMetricsAndOutputs) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  ASSERT_TRUE(many.start_worker("w2"));
  auto id = many.submit_shell(
      "echo hello; echo '{\"metric\":\"loss\",\"value\":0.5}'; echo kept > $TROUPE_OUTPUT/file");
  EXPECT_EQ(many.await_end(id), "FINISHED");
  EXPECT_NE(many.log_text(id).find("hello"), std::string::npos);
  auto shown = many.cli({"show", id});
  EXPECT_NE(shown.out.find("loss=0.5"), std::string::npos) << shown.out;
  auto file = many.cli({"out", "get", id, "file", "-o", many.path("got")});
  EXPECT_EQ(file.code, 0) << file.err;
  auto gang = many.submit_shell("test -n \"$MASTER_ADDR\" && echo rank $RANK of $WORLD_SIZE",
                                R"(,"workers":{"count":2},"resources":{"cpus":2})");
  EXPECT_EQ(many.await_end(gang), "FINISHED");
}

TEST(ManyMachines, ASweepRunsOverThreeWorkersEachMemberOnce) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  for (const char* name : {"w1", "w2", "w3"}) ASSERT_TRUE(many.start_worker(name));
  auto sweep =
      many.cli({"sweep", "--no-code", "--param", "a=1,2,3,4,5,6,7,8,9,10,11,12", "--", "sh", "-c",
                "echo $TROUPE_ID >> " + many.path("ran") + "; sleep 0.3; : {{a}}"});
  EXPECT_EQ(sweep.code, 0) << sweep.err;
  auto ran = many.lines("ran");
  EXPECT_EQ(ran.size(), 12u);
  EXPECT_EQ(std::set<std::string>(ran.begin(), ran.end()).size(), 12u);
}

/// In which order head and worker die and come back.
struct Order {
  const char* name;
  bool kill_head, kill_worker, worker_first;
};

class Deaths : public ::testing::TestWithParam<Order> {};

TEST_P(Deaths, OfHeadAndWorkerHurtNoJobAndItsEndArrivesWhole) {
  auto order = GetParam();
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell(marking(many, "mark", 2));
  ASSERT_TRUE(many.await_state(id, "RUNNING"));
  if (order.kill_head) many.kill9();
  if (order.kill_worker) many.kill_worker("w1");
  // The job ends while nobody is there to see it.
  ASSERT_TRUE(await([&] { return many.lines("mark").size() == 2; }));
  auto head = [&] { return !order.kill_head || many.start_head(); };
  auto worker = [&] { return !order.kill_worker || many.start_worker("w1", false); };
  bool back = order.worker_first ? worker() && head() : head() && worker();
  ASSERT_TRUE(back);
  EXPECT_EQ(many.await_end(id), "FAILED");
  EXPECT_EQ(number_of(many.show(id), "exit_code"), 7);
  auto log = many.log_text(id);
  EXPECT_NE(log.find("first line"), std::string::npos);
  EXPECT_NE(log.find("last line"), std::string::npos);
  EXPECT_EQ(many.lines("mark"), (std::vector<std::string>{"begin", "end"})) << "and only once";
}

INSTANTIATE_TEST_SUITE_P(ManyMachines, Deaths,
                         ::testing::Values(Order{"head", true, false, false},
                                           Order{"worker", false, true, false},
                                           Order{"both_head_back_first", true, true, false},
                                           Order{"both_worker_back_first", true, true, true}),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST(ManyMachines, WorkersAreStoppedInOrderWithoutTheirJobs) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell(marking(many, "mark", 2));
  ASSERT_TRUE(many.await_state(id, "RUNNING"));
  many.worker("w1").signal(SIGTERM);
  EXPECT_EQ(many.worker("w1").wait(20s), 0);
  EXPECT_TRUE(many.await_node("w1", "suspect"));
  EXPECT_EQ(text_of(*many.get("/api/v1/nodes/w1"), "reason"), "its worker was stopped");
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_EQ(many.await_end(id), "FAILED");
  EXPECT_EQ(many.lines("mark").size(), 2u);
}

TEST(ManyMachines, AFrozenWorkerIsSuspectAndComesBack) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell(marking(many, "mark", 8));
  ASSERT_TRUE(many.await_state(id, "RUNNING"));
  many.worker("w1").signal(SIGSTOP);
  EXPECT_TRUE(many.await_node("w1", "suspect"));
  many.worker("w1").signal(SIGCONT);
  EXPECT_TRUE(many.await_node("w1", "up"));
  EXPECT_EQ(many.await_end(id), "FAILED");
  EXPECT_EQ(many.lines("mark").size(), 2u) << "a slow node is not a dead one";
}

/// Of what a worker leaves behind when it dies: its launcher and jobs, or, with the machine, none.
class NodeDeath : public ::testing::TestWithParam<bool> {};

TEST_P(NodeDeath, IsSuspectThenLostAndItsJobStartsElsewhere) {
  bool whole_machine = GetParam();
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell(fmt::format("echo $TROUPE_ATTEMPT >> {0}/ran; "
                                          "while [ ! -e {0}/go ]; do sleep 0.02; done",
                                          many.root()),
                              R"(,"resources":{"cpus":2})");
  ASSERT_TRUE(many.await_state(id, "RUNNING"));
  ASSERT_TRUE(await([&] { return many.lines("ran").size() == 1; }));
  ASSERT_TRUE(many.start_worker("w2"));
  many.kill_worker("w1");
  if (whole_machine) {
    for (auto pid : many.launchers_of("w1")) ::kill(pid, SIGKILL);
    ASSERT_TRUE(await([&] { return many.processes_with("TROUPE_ATTEMPT=1").empty(); }));
  }
  EXPECT_TRUE(many.await_node("w1", "suspect"));
  EXPECT_EQ(many.state(id), "RUNNING") << "a suspect node keeps its jobs";
  EXPECT_TRUE(many.await_node("w1", "lost"));
  ASSERT_TRUE(await([&] { return many.lines("ran").size() == 2; }));
  ASSERT_TRUE(many.await_state(id, "RUNNING"));

  // Its first attempt has been replaced, and ends with all its processes.
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_TRUE(await([&] { return many.processes_with("TROUPE_ATTEMPT=1").empty(); }));
  EXPECT_EQ(many.state(id), "RUNNING");
  std::ofstream{many.path("go")};
  EXPECT_EQ(many.await_end(id), "FINISHED");
  auto record = many.show(id);
  auto attempts = record.find("attempts")->as_list();
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(text_of(record.find("jobs")->as_list().front(), "node"), "w2");
  EXPECT_EQ(many.lines("ran"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(many.transitions(id),
            (std::vector<std::string>{
                "->QUEUED", "QUEUED->PREPARING", "PREPARING->STARTING", "STARTING->RUNNING",
                "RUNNING->RESTARTING", "RESTARTING->QUEUED", "QUEUED->PREPARING",
                "PREPARING->STARTING", "STARTING->RUNNING", "RUNNING->FINISHED"}));
}

INSTANTIATE_TEST_SUITE_P(ManyMachines, NodeDeath, ::testing::Bool(), [](const auto& each) {
  return each.param ? "OfTheMachine" : "OfTheWorkerAlone";
});

TEST(ManyMachines, DrainedNodesGetNothingNewAlsoAfterRestarts) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_EQ(many.cli({"node", "drain", "w1"}).code, 0);
  EXPECT_EQ(many.cli({"node", "label", "w1", "rack=a7"}).code, 0);
  EXPECT_TRUE(many.await_node("w1", "drained"));
  many.kill9();
  ASSERT_TRUE(many.start_head());
  EXPECT_TRUE(many.await_node("w1", "drained"));
  auto node = many.get("/api/v1/nodes/w1");
  ASSERT_TRUE(node);
  ASSERT_NE(node->find("labels"), nullptr);
  EXPECT_EQ(text_of(*node->find("labels"), "rack"), "a7");
  auto id = many.submit_shell("true");
  EXPECT_EQ(many.state(id), "QUEUED");
  EXPECT_EQ(many.cli({"node", "resume", "w1"}).code, 0);
  EXPECT_EQ(many.await_end(id), "FINISHED");
  EXPECT_EQ(many.cli({"node", "drain", "nobody"}).code, 3);
  auto held = many.submit_shell("sleep 60");
  EXPECT_TRUE(many.await_state(held, "RUNNING"));
  auto shown = many.cli({"node", "show", "w1"}).out;
  for (const auto& line : {std::string{"state\tup"}, std::string{"label\track=a7"},
                           std::string{"jobs\t1"}, "experiments\t" + held})
    EXPECT_NE(shown.find(line + "\n"), std::string::npos) << line << " is not in\n" << shown;
  EXPECT_EQ(many.cli({"node", "show", "nobody"}).code, 3);
}

TEST(ManyMachines, ARemovedNodeIsCutOffAndItsJobsStartElsewhere) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell("echo begin >> " + many.path("mark") + "; sleep 2; echo end");
  ASSERT_TRUE(many.await_state(id, "RUNNING"));
  ASSERT_TRUE(many.start_worker("w2"));
  EXPECT_EQ(many.cli({"node", "remove", "w1"}).code, 0);
  EXPECT_EQ(many.await_end(id), "FINISHED");
  EXPECT_EQ(many.lines("mark").size(), 2u);
  EXPECT_EQ(many.node_state("w1"), "") << "it is no node any more";
  EXPECT_TRUE(await([&] { return many.worker_err("w1").find("removed") != std::string::npos; }))
      << many.worker_err("w1");
  // Neither a restart of it nor one of the head lets it back.
  many.kill9();
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.await_node("w2", "up"));
  EXPECT_EQ(many.node_state("w1"), "");
  EXPECT_EQ(many.cli({"node", "remove", "no/name"}).code, 2);
}

TEST(ManyMachines, BadWorkersAreRefusedAndToldWhy) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto refused = [&](std::vector<std::string> args, const std::string& name) {
    args.insert(args.begin(), "worker");
    auto child = many.start_troupe(args, name);
    auto code = child.wait(30s);
    return std::pair{code, many.read(name + ".err")};
  };
  auto none = refused({"--dir", many.path("x1")}, "x1");
  EXPECT_EQ(none.first, 1);
  EXPECT_NE(none.second.find("join token"), std::string::npos);
  // Its token was used by w1.
  auto replayed = refused(
      {"--dir", many.path("x2"), "--name", "x2", "--join-token-file", many.path("w1.token")}, "x2");
  EXPECT_EQ(replayed.first, 5);
  EXPECT_NE(replayed.second.find("used before"), std::string::npos) << replayed.second;
  auto token = many.cli({"token", "join"});
  std::ofstream{many.path("fresh")} << token.out;
  auto twin = refused(
      {"--dir", many.path("x3"), "--name", "w1", "--join-token-file", many.path("fresh")}, "x3");
  EXPECT_EQ(twin.first, 5);
  EXPECT_NE(twin.second.find("under this name"), std::string::npos) << twin.second;
  auto second = refused({"--dir", many.path("w1")}, "x4");
  EXPECT_EQ(second.first, 5);
  auto head =
      many.start_troupe({"head", "--port", "0", "--cluster-port", "0", "--dir", many.dir()}, "x5");
  EXPECT_EQ(head.wait(30s), 5) << "two heads never share a folder";
  EXPECT_EQ(many.node_state("w1"), "up");
}

}  // namespace
}  // namespace troupe::cluster
