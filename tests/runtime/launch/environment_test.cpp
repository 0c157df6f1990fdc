#include "runtime/launch/environment.hpp"

#include "runtime/core/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace troupe::launch {
namespace {

using ::testing::IsSupersetOf;
using ::testing::Pair;
using ::testing::StartsWith;

World two_by_two() {
  World world;
  world.id = "42.7";
  world.number = 42;
  world.attempt = 3;
  world.hosts = {{"a", "10.0.0.1", 20008, 2}, {"b", "10.0.0.2", 20096, 2}};
  world.job = 1;
  world.gpus = 4;
  world.cpus = 6;
  world.interface = "eth1";
  world.hostfile = "/w/slots/3/hostfile";
  return world;
}

std::map<std::string, std::string> all(const World& world, uint32_t process) {
  std::map<std::string, std::string> map;
  auto environment = environment_of(world, process);
  for (const auto* list : {&environment.fixed, &environment.advice})
    for (const auto& [name, value] : *list)
      EXPECT_TRUE(map.emplace(name, value).second) << name << " is there twice";
  return map;
}

TEST(LaunchEnvironment, IsTorchrunsWithThePortThatTheFirstNodeSetAside) {
  auto env = all(two_by_two(), 1);
  EXPECT_THAT(env, IsSupersetOf({Pair("RANK", "3"), Pair("WORLD_SIZE", "4"),
                                 Pair("LOCAL_RANK", "1"), Pair("LOCAL_WORLD_SIZE", "2"),
                                 Pair("GROUP_RANK", "1"), Pair("GROUP_WORLD_SIZE", "2"),
                                 Pair("ROLE_RANK", "3"), Pair("MASTER_ADDR", "10.0.0.1"),
                                 Pair("MASTER_PORT", "20008"), Pair("TORCHELASTIC_RUN_ID", "42.7"),
                                 Pair("TORCHELASTIC_RESTART_COUNT", "2"),
                                 Pair("TROUPE_HOSTFILE", "/w/slots/3/hostfile"),
                                 Pair("TROUPE_STORE", "10.0.0.1:20010")}));
  EXPECT_FALSE(env.contains("TORCHELASTIC_USE_AGENT_STORE")) << "nobody speaks that protocol";
}

TEST(LaunchEnvironment, NamesWhatHorovodDeepSpeedAndJaxAskFor) {
  auto env = all(two_by_two(), 1);
  EXPECT_THAT(
      env,
      IsSupersetOf(
          {Pair("LOCAL_SIZE", "2"), Pair("CROSS_RANK", "1"), Pair("CROSS_SIZE", "2"),
           Pair("HOROVOD_RANK", "3"), Pair("HOROVOD_SIZE", "4"),
           Pair("HOROVOD_HOSTNAME", "10.0.0.2"), Pair("JAX_COORDINATOR_ADDRESS", "10.0.0.1:20009"),
           Pair("JAX_COORDINATOR_PORT", "20009"), Pair("HOROVOD_GLOO_RENDEZVOUS_ADDR", "10.0.0.1"),
           Pair("HOROVOD_GLOO_RENDEZVOUS_PORT", "20010"), Pair("HOROVOD_CONTROLLER", "gloo"),
           Pair("JAX_LOCAL_DEVICE_IDS", "2,3")}));
  auto mpi = two_by_two();
  mpi.contracts = {"pmi1"};
  EXPECT_FALSE(all(mpi, 0).contains("HOROVOD_CONTROLLER")) << "it finds its world by MPI";
}

TEST(LaunchEnvironment, GivesEachJobItsOwnSideChannelsByTheKnownInterface) {
  auto env = all(two_by_two(), 0);
  EXPECT_EQ(env["NCCL_RAS_ADDR"], "localhost:20099") << "of its own node";
  EXPECT_EQ(env["NCCL_SOCKET_IFNAME"], "=eth1") << "exactly that one, not all that begin so";
  EXPECT_EQ(env["GLOO_SOCKET_IFNAME"], "eth1");
  auto alone = two_by_two();
  alone.hosts = {{"a", "", 20008}};
  alone.job = 0;
  env = all(alone, 0);
  EXPECT_FALSE(env.contains("NCCL_SOCKET_IFNAME")) << "ranks of one machine need no network";
  EXPECT_EQ(env["MASTER_ADDR"], "127.0.0.1");
}

TEST(LaunchEnvironment, LooksLikeSlurmAndMpiOnlyWhereThatIsAskedFor) {
  auto world = two_by_two();
  for (const auto& [name, value] : all(world, 0))
    for (const char* other : {"SLURM", "PMI", "OMPI", "MPI_", "PET_", "JSM_"})
      EXPECT_THAT(name, ::testing::Not(StartsWith(other)));
  world.contracts = {"jax"};
  auto env = all(world, 1);
  EXPECT_THAT(env, IsSupersetOf({Pair("SLURM_JOB_ID", "42"), Pair("SLURM_STEP_NODELIST", "a,b"),
                                 Pair("SLURM_NTASKS", "4"), Pair("SLURM_PROCID", "3"),
                                 Pair("SLURM_LOCALID", "1")}));
  EXPECT_FALSE(env.contains("SLURM_NNODES")) << "the five that JAX wants, no others";
  world.contracts = {"slurm", "pmi1"};
  EXPECT_THAT(all(world, 1),
              IsSupersetOf({Pair("SLURM_PROCID", "3"), Pair("SLURM_NNODES", "2"),
                            Pair("SLURM_TASKS_PER_NODE", "2(x2)"), Pair("SLURM_NODEID", "1"),
                            Pair("SLURM_CPUS_PER_TASK", "6"), Pair("PMI_RANK", "3"),
                            Pair("PMI_SIZE", "4"), Pair("MPI_LOCALRANKID", "1")}));
  world.contracts = {"pmix"};
  EXPECT_TRUE(all(world, 1).contains("JSM_JSRUN_PORT"));
  EXPECT_FALSE(all(world, 1).contains("PMI_RANK"));
}

TEST(LaunchEnvironment, HasOneTaskOfTensorFlowForEachProcess) {
  auto world = two_by_two();
  EXPECT_EQ(tf_config(world, 0),
            "{\"cluster\":{\"chief\":[\"10.0.0.1:20012\"],"
            "\"worker\":[\"10.0.0.1:20013\",\"10.0.0.2:20100\",\"10.0.0.2:20101\"]},"
            "\"task\":{\"index\":1,\"type\":\"worker\"}}");
  world.job = 0;
  auto first = parse_json(tf_config(world, 0));
  ASSERT_TRUE(first);
  EXPECT_EQ(json_text(*first->find("task")), "{\"index\":0,\"type\":\"chief\"}");
}

TEST(LaunchEnvironment, CountsTasksWithinTheirRoles) {
  auto world = two_by_two();
  world.hosts = {{"a", "h1", 20000}, {"b", "h2", 20000}, {"c", "h3", 20008}, {"c", "h3", 20016}};
  world.roles = {"chief", "worker", "worker", "evaluator"};
  world.job = 2;
  EXPECT_EQ(tf_config(world, 0),
            "{\"cluster\":{\"chief\":[\"h1:20004\"],\"worker\":[\"h2:20004\",\"h3:20012\"]},"
            "\"task\":{\"index\":1,\"type\":\"worker\"}}");
  world.job = 3;
  auto own = parse_json(tf_config(world, 0));
  ASSERT_TRUE(own);
  EXPECT_EQ(json_text(*own->find("task")), "{\"index\":0,\"type\":\"evaluator\"}");
  EXPECT_EQ(all(world, 0)["TROUPE_ROLE"], "evaluator");
}

TEST(LaunchEnvironment, CountsRanksWhereJobsHaveDifferentNumbersOfThem) {
  auto world = two_by_two();
  world.hosts = {{"a", "h1", 20000, 1}, {"b", "h2", 20000, 3}, {"c", "h3", 20000, 3}};
  world.roles = {"ps", "worker", "worker"};
  world.contracts = {"slurm"};
  world.job = 2;
  auto env = all(world, 1);
  EXPECT_EQ(env["RANK"], "5");
  EXPECT_EQ(env["WORLD_SIZE"], "7");
  EXPECT_EQ(env["LOCAL_RANK"], "1");
  EXPECT_EQ(env["LOCAL_WORLD_SIZE"], "3");
  EXPECT_EQ(env["CROSS_RANK"], "1") << "of the two nodes that have a second process";
  EXPECT_EQ(env["CROSS_SIZE"], "2");
  EXPECT_EQ(env["SLURM_TASKS_PER_NODE"], "1,3(x2)");
  EXPECT_EQ(hostfile_text(world), "h1 slots=1\nh2 slots=3\nh3 slots=3\n");
  EXPECT_EQ(tf_config(world, 1),
            "{\"cluster\":{\"ps\":[\"h1:20004\"],\"worker\":[\"h2:20004\",\"h2:20005\","
            "\"h2:20006\",\"h3:20004\",\"h3:20005\",\"h3:20006\"]},"
            "\"task\":{\"index\":4,\"type\":\"worker\"}}");
}

TEST(LaunchEnvironment, TellsThePlaceOnTheNodeAsAnArgumentWhereThatIsAskedFor) {
  using ::testing::ElementsAre;
  EXPECT_THAT(rank_argv({"train", "-x"}, {"slurm"}, 3), ElementsAre("train", "-x"));
  EXPECT_THAT(rank_argv({"train", "-x"}, {"local_rank"}, 3),
              ElementsAre("train", "-x", "--local_rank=3"));
  EXPECT_THAT(rank_argv({"/bin/sh", "-c", "cd x\npython3 a.py -b;\n"}, {"local_rank"}, 0),
              ElementsAre("/bin/sh", "-c", "cd x\npython3 a.py -b --local_rank=0"));
  EXPECT_THAT(rank_argv({"bash", "-c", "a.py"}, {"local_rank"}, 1),
              ElementsAre("bash", "-c", "a.py --local_rank=1"));
}

TEST(LaunchEnvironment, SaysNothingOfAClusterToAProcessAlone) {
  World world;
  world.hosts = {{"a", "", 20000}};
  EXPECT_EQ(tf_config(world, 0), "");
  auto env = all(world, 0);
  for (const char* name : {"TF_CONFIG", "HOROVOD_RANK", "JAX_COORDINATOR_ADDRESS", "NCCL_DEBUG"})
    EXPECT_FALSE(env.contains(name)) << name;
  EXPECT_EQ(env["WORLD_SIZE"], "1");
  world.gpus = 1;
  EXPECT_EQ(all(world, 0)["NCCL_RAS_ADDR"], "localhost:20003") << "one process may drive several";
  EXPECT_EQ(hostfile_text(world), "127.0.0.1 slots=1\n");
}

TEST(LaunchEnvironment, LeavesTheClusterOutWhereItsProcessesAreTooManyToTell) {
  World world;
  world.hosts = {{"a", "10.0.0.1", 20000, 1024}, {"b", "10.0.0.2", 20000, 1024}};
  EXPECT_FALSE(all(world, 0).contains("TF_CONFIG"));
  EXPECT_EQ(all(world, 0)["WORLD_SIZE"], "2048");
  world.hosts = {{"a", "10.0.0.1", 20000, 128}, {"b", "10.0.0.2", 20000, 128}};
  EXPECT_TRUE(all(world, 0).contains("TF_CONFIG"));
}

TEST(LaunchEnvironment, WritesAddressesOfSixthVersionSoThatAPortCanFollow) {
  auto world = two_by_two();
  world.hosts[0].address = "fd00::1";
  EXPECT_EQ(all(world, 0)["JAX_COORDINATOR_ADDRESS"], "[fd00::1]:20009");
  EXPECT_EQ(all(world, 0)["MASTER_ADDR"], "fd00::1");
  EXPECT_EQ(hostfile_text(world), "fd00::1 slots=2\n10.0.0.2 slots=2\n");
}

}  // namespace
}  // namespace troupe::launch
