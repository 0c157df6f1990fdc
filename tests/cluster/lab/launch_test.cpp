// Worlds over machines that have nothing in common but a network.
#include "tests/cluster/lab/lab_machines.hpp"
#include "tests/cluster/mpi_program.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

constexpr const char* python = "/usr/bin/python3";

class LaunchOverMachines : public LabTest {
 protected:
  void start(LabMachines& many) {
    ASSERT_TRUE(many.start_head());
    ASSERT_TRUE(many.start_worker("w1"));
    ASSERT_TRUE(many.start_worker("w2"));
  }
  static std::string gang(LabMachines& many, const std::string& line, const std::string& more) {
    auto id = many.submit_shell(line, R"(,"resources":{"cpus":2})" + more);
    EXPECT_EQ(many.await_end(id), "FINISHED") << many.cli({"logs", id}).out;
    return id;
  }
};

TEST_F(LaunchOverMachines, TorchMeetsByTheInterfaceThatReachesTheHead) {
  if (Child{{python, "-c", "import torch.distributed"}, {}, "/", "/dev/null", "/dev/null"}.wait(
          60s) != 0)
    GTEST_SKIP() << "python3-torch is not installed";
  LabMachines many;
  start(many);
  ASSERT_TRUE(replace_file(many.path("ddp.py"), R"(
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
print("world", dist.get_world_size(), "sum", int(total.item()), "by", os.environ["GLOO_SOCKET_IFNAME"])
)",
                           0644, false));
  auto id = gang(many, fmt::format("{} {}", python, many.path("ddp.py")),
                 R"(,"workers":{"count":2,"processes":2})");
  for (const char* job : {"worker.0", "worker.1"})
    EXPECT_THAT(many.log_text(id, job), HasSubstr("world 4 sum 10 by "));
}

TEST_F(LaunchOverMachines, RanksMeetInTheStoreOfTheFirstWorker) {
  LabMachines many;
  start(many);
  ASSERT_TRUE(replace_file(many.path("ranks.py"), R"(
import os
from array import array
from http.client import HTTPConnection
from troupe import comm
with comm.open() as ranks:
    print("sum", int(ranks.all_reduce(array("d", [1]))[0]), "on", ranks.hosts)
    http = HTTPConnection(os.environ["HOROVOD_GLOO_RENDEZVOUS_ADDR"], int(os.environ["HOROVOD_GLOO_RENDEZVOUS_PORT"]), 5)
    http.request("PUT", "/global/" + os.environ["RANK"], b"here")
    print("rendezvous", http.getresponse().status)
)",
                           0644, false));
  auto id = gang(many, fmt::format("{} {}", python, many.path("ranks.py")),
                 R"(,"workers":{"count":2,"processes":2})");
  for (const char* job : {"worker.0", "worker.1"}) {
    EXPECT_THAT(many.log_text(id, job), HasSubstr("sum 4 on 2"));
    EXPECT_THAT(many.log_text(id, job), HasSubstr("rendezvous 200"));
  }
}

TEST_F(LaunchOverMachines, MpichMeetsThroughTheWorkers) {
  LabMachines many;
  start(many);
  auto program = compiled(many, "mpicc.mpich");
  if (program.empty()) GTEST_SKIP() << "mpicc.mpich is not installed";
  auto id = gang(many, program,
                 R"(,"workers":{"count":2,"processes":2},"launch":{"contracts":["pmi1"]})");
  EXPECT_THAT(many.log_text(id, "worker.0"), HasSubstr("rank 0 of 4, sum 10"));
  EXPECT_THAT(many.log_text(id, "worker.1"), HasSubstr("rank 3 of 4, sum 10"));
}

TEST_F(LaunchOverMachines, OpenMpiMeetsThroughTheWorkers) {
  LabMachines many;
  start(many);
  auto program = compiled(many, "mpicc.openmpi");
  if (program.empty()) GTEST_SKIP() << "mpicc.openmpi is not installed";
  auto id = gang(many, "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 " + program,
                 R"(,"workers":{"count":2,"processes":2},"launch":{"contracts":["pmix"]})");
  EXPECT_THAT(many.log_text(id, "worker.0"), HasSubstr("rank 0 of 4, sum 10"));
  EXPECT_THAT(many.log_text(id, "worker.1"), HasSubstr("rank 3 of 4, sum 10"));
}

}  // namespace
}  // namespace troupe::cluster
