// Small real programs of each kind find their world of two workers.
#include "runtime/core/fd.hpp"
#include "tests/cluster/many.hpp"
#include "tests/cluster/mpi_program.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

constexpr const char* python = "/usr/bin/python3";

/// Two workers of one machine, and programs that are given to jobs by their path.
class Launch : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(many.start_head());
    ASSERT_TRUE(many.start_worker("w1"));
    ASSERT_TRUE(many.start_worker("w2"));
  }
  std::string script(const std::string& name, const std::string& text) {
    auto path = many.path(name);
    EXPECT_TRUE(replace_file(path, text, 0755, false));
    return fmt::format("{} {}", python, path);
  }
  /// Runs it as a gang, on both workers where one is too small; its id.
  std::string gang(const std::string& line, const std::string& more = R"("workers":{"count":2})",
                   const std::string& end = "FINISHED") {
    auto id = many.submit_shell(line, "," + more + R"(,"resources":{"cpus":2})");
    EXPECT_EQ(many.await_end(id), end) << many.cli({"show", id}).out << logs(id);
    return id;
  }
  std::string reason(const std::string& id) {
    auto shown = many.show(id);
    const auto* reason = shown.find("reason");
    return reason == nullptr ? "" : reason->to_text();
  }
  std::string logs(const std::string& id) { return many.cli({"logs", id}).out; }

  ManyMachines many;
};

TEST_F(Launch, AReaderOfTfConfigMeetsAllTasksAtTheirPorts) {
  auto run = script("tf.py", R"(
import json, os, socket, sys, time
config = json.loads(os.environ["TF_CONFIG"])
cluster, task = config["cluster"], config["task"]
own = cluster[task["type"]][task["index"]]
server = socket.create_server(("", int(own.split(":")[1])))
tasks = [t for role in sorted(cluster) for t in cluster[role]]
assert len(set(tasks)) == len(tasks) == int(os.environ["WORLD_SIZE"]), tasks
for address in tasks:
    host, port = address.split(":")
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), 5).close()
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
for _ in tasks:
    server.accept()[0].close()
print(task["type"], task["index"], "met", len(tasks))
)");
  auto id = gang(run);
  EXPECT_THAT(logs(id), HasSubstr("chief 0 met 2"));
  EXPECT_THAT(logs(id), HasSubstr("worker 0 met 2"));
}

TEST_F(Launch, RolesAreToldApartAndServersEndWithTheOthers) {
  auto run = script("role.py", R"(
import json, os, signal, socket, time
config = json.loads(os.environ["TF_CONFIG"])
task, place = config["task"], config["cluster"]["ps"][0].split(":")
print(os.environ["TROUPE_ROLE"], task["type"], task["index"], flush=True)
if task["type"] == "ps":
    server = socket.create_server(("", int(place[1])))
    signal.pause()
until = time.monotonic() + 30
while True:
    try:
        socket.create_connection((place[0], int(place[1])), 5).close()
        break
    except OSError:
        if time.monotonic() > until:
            raise
        time.sleep(0.02)
)");
  auto id = gang(run, R"("roles":[{"name":"chief"},{"name":"ps"}])");
  EXPECT_THAT(logs(id), HasSubstr("chief chief 0"));
  EXPECT_THAT(logs(id), HasSubstr("ps ps 0"));
  auto shown = many.show(id);
  const auto* jobs = shown.find("jobs");
  ASSERT_NE(jobs, nullptr);
  EXPECT_EQ(jobs->as_list()[1].find("id")->as_string(), id + ".ps.1");
}

TEST_F(Launch, RolesHaveWhatTheyNeedThemselves) {
  auto run = script("needs.py", R"(
import json, os, sys
config = json.loads(os.environ["TF_CONFIG"])
print(config["task"]["type"], config["task"]["index"], "of", len(config["cluster"]["worker"]),
      "rank", os.environ["RANK"], "threads", os.environ["OMP_NUM_THREADS"], sys.argv[1:])
)");
  auto id =
      gang(run, R"("launch":{"contracts":["local_rank"]},"roles":[{"name":"chief",)"
                R"("resources":{"cpus":2}},{"name":"worker","count":2,"resources":{"cpus":1}}])");
  EXPECT_THAT(logs(id), HasSubstr("chief 0 of 2 rank 0 threads 2 ['--local_rank=0']"));
  EXPECT_THAT(logs(id), HasSubstr("worker 1 of 2 rank 2 threads 1 ['--local_rank=0']"));
}

TEST_F(Launch, AReaderOfHorovodsNamesFindsItsRanks) {
  auto run = script("hvd.py", R"(
import os, time
h = {k: int(os.environ["HOROVOD_" + k]) for k in
     ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE", "CROSS_RANK", "CROSS_SIZE")}
assert h["SIZE"] == 2 and h["LOCAL_SIZE"] * h["CROSS_SIZE"] == 2, h
assert h["RANK"] == h["CROSS_RANK"] * h["LOCAL_SIZE"] + h["LOCAL_RANK"], h
hosts = open(os.environ["TROUPE_HOSTFILE"]).read().split()
assert hosts[1::2] == ["slots=1", "slots=1"], hosts
assert not any(k.startswith(("SLURM", "OMPI", "PMI", "PET_")) for k in os.environ), dict(os.environ)
# As its Gloo meets: each tells under its rank, and asks until the others have.
from http.client import HTTPConnection
def ask(method, path, body=None):
    server = HTTPConnection(os.environ["HOROVOD_GLOO_RENDEZVOUS_ADDR"], int(os.environ["HOROVOD_GLOO_RENDEZVOUS_PORT"]), 5)
    server.request(method, path, body)
    answer = server.getresponse()
    return answer.status, answer.read()
def tell(what, rank): assert ask("PUT", f"/{what}/{rank}", bytes([rank, 0, 255]))[0] == 200
until = time.monotonic() + 30
def await_all(what):
    for rank in range(h["SIZE"]):
        while (answer := ask("GET", f"/{what}/{rank}"))[0] == 404 and time.monotonic() < until:
            time.sleep(0.02)
        assert answer == (200, bytes([rank, 0, 255])), answer
tell("global", h["RANK"])
await_all("global")
# What it meets at lives as long as the job of rank 0, which ends after the others have met, as with Gloo.
tell("met", h["RANK"])
if h["RANK"] == 0:
    await_all("met")
print("rank", h["RANK"], "of", h["SIZE"])
)");
  auto id = gang(run);
  EXPECT_THAT(logs(id), HasSubstr("rank 0 of 2"));
  EXPECT_THAT(logs(id), HasSubstr("rank 1 of 2"));
}

TEST_F(Launch, NamesOfSlurmComeOnlyWhereTheyAreAskedFor) {
  auto id = gang("echo rank $SLURM_PROCID of $SLURM_NTASKS on $SLURM_JOB_NODELIST",
                 R"("workers":{"count":2},"launch":{"contracts":["slurm"]})");
  EXPECT_THAT(logs(id), HasSubstr("rank 1 of 2 on w"));
  auto none = gang("echo rank ${SLURM_PROCID:-none}");
  EXPECT_THAT(logs(none), HasSubstr("rank none"));
}

TEST_F(Launch, TorchFormsOneWorldByGlooOverTwoWorkers) {
  if (Child{{python, "-c", "import torch.distributed"}, {}, "/", "/dev/null", "/dev/null"}.wait(
          60s) != 0)
    GTEST_SKIP() << "python3-torch is not installed";
  auto run = script("ddp.py", R"(
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    model(torch.full((2, 4), float(dist.get_rank() + step))).sum().backward()
    optimizer.step()
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
weights = [torch.zeros(1, 4) for _ in range(dist.get_world_size())]
dist.all_gather(weights, model.module.weight.detach())
assert all(torch.equal(weights[0], w) for w in weights)
print("world", dist.get_world_size(), "sum", int(total.item()))
)");
  auto id = gang(run);
  EXPECT_THAT(many.log_text(id, "worker.0"), HasSubstr("world 2 sum 3"));
  EXPECT_THAT(many.log_text(id, "worker.1"), HasSubstr("world 2 sum 3"));
}

TEST_F(Launch, MpichFormsOneWorldOverTwoWorkersWithoutMpirun) {
  auto program = compiled(many, "mpicc.mpich");
  if (program.empty()) GTEST_SKIP() << "mpicc.mpich is not installed";
  auto id = gang(program, R"("workers":{"count":2,"processes":2},"launch":{"contracts":["pmi1"]})");
  auto text = logs(id);
  for (const char* line :
       {"rank 0 of 4, sum 10", "rank 1 of 4, sum 10", "rank 2 of 4, sum 10", "rank 3 of 4, sum 10"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_EQ(reason(id), "exit 0");
}

/// Open MPI wants to be told twice that it may run as root.
constexpr const char* as_root = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ";

TEST_F(Launch, OpenMpiFormsOneWorldOverTwoWorkersWithoutMpirun) {
  auto program = compiled(many, "mpicc.openmpi");
  if (program.empty()) GTEST_SKIP() << "mpicc.openmpi is not installed";
  // By shared memory, too, which two workers of one machine have in one place.
  auto id = gang(as_root + program,
                 R"("workers":{"count":2,"processes":2},"launch":{"contracts":["pmix"]})");
  auto text = logs(id);
  for (const char* line :
       {"rank 0 of 4, sum 10", "rank 1 of 4, sum 10", "rank 2 of 4, sum 10", "rank 3 of 4, sum 10"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_EQ(reason(id), "exit 0");
}

TEST_F(Launch, EachLineOfPmixIsAWorldOfItsOwn) {
  auto program = compiled(many, "mpicc.openmpi");
  if (program.empty()) GTEST_SKIP() << "mpicc.openmpi is not installed";
  auto line = fmt::format(R"(["sh","-c","{}{}"])", as_root, program);
  auto id = many.submit(fmt::format(
      R"({{"project":"p","run":[{0},{0}],"workers":{{"count":1,"processes":3}},"launch":{{"contracts":["pmix"]}}}})",
      line));
  EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
  auto text = logs(id);
  size_t worlds = 0;
  for (auto at = text.find("of 3, sum 6"); at != std::string::npos;
       at = text.find("of 3, sum 6", at + 1))
    ++worlds;
  EXPECT_EQ(worlds, 6u) << text;
}

TEST_F(Launch, ARankThatAbortsEndsItsPmixWorld) {
  auto program = compiled(many, "mpicc.openmpi");
  if (program.empty()) GTEST_SKIP() << "mpicc.openmpi is not installed";
  auto id =
      gang(fmt::format("if [ $RANK = 1 ]; then exit 7; fi; {}{}", as_root, program),
           R"("workers":{"count":1,"processes":3},"launch":{"contracts":["pmix"]})", "FAILED");
  EXPECT_THAT(reason(id), HasSubstr("exit 7"));
}

TEST_F(Launch, WhatKilledRanksOfPmixShareIsTakenAway) {
  auto id = gang(
      "touch $OMPI_MCA_btl_vader_backing_directory/left; "
      "echo folder=$OMPI_MCA_btl_vader_backing_directory; kill -9 $$",
      R"("workers":{"count":1,"processes":2},"launch":{"contracts":["pmix"]})", "FAILED");
  auto text = logs(id);
  auto at = text.find("folder=/dev/shm/");
  if (at == text.npos && text.find("PMIx cannot be served") != text.npos)
    GTEST_SKIP() << "libpmix2 is not installed";
  ASSERT_NE(at, text.npos) << text;
  auto folder = text.substr(at + 7, text.find('\n', at) - at - 7);
  EXPECT_TRUE(await([&] { return !std::filesystem::exists(folder); })) << folder;
}

TEST_F(Launch, WorldsOfOneAreTold) {
  auto program = compiled(many, "mpicc.openmpi");
  if (program.empty()) GTEST_SKIP() << "mpicc.openmpi is not installed";
  auto id = gang("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 " + program,
                 R"("workers":{"count":2},"launch":{"contracts":["pmi1"]})");
  EXPECT_THAT(logs(id), HasSubstr("rank 0 of 1"));
  EXPECT_THAT(reason(id), HasSubstr("as 2 worlds of one"));
}

TEST_F(Launch, JobsBesideEachOtherGetPortsOfTheirOwn) {
  auto run = script("port.py", R"(
import os, socket, time
server = socket.socket()
server.bind(("", int(os.environ["MASTER_PORT"])))
server.listen()
until = time.monotonic() + 30
place = os.path.join(os.environ["OTHERS"], os.environ["TROUPE_ID"])
open(place, "w").write(os.environ["MASTER_PORT"])
while len(os.listdir(os.environ["OTHERS"])) < 4 and time.monotonic() < until:
    time.sleep(0.02)
print("together", len(os.listdir(os.environ["OTHERS"])))
)");
  ASSERT_TRUE(make_dirs(many.path("others")));
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(
        many.submit_shell(run, fmt::format(R"(,"resources":{{"cpus":0.5}},"env":{{"OTHERS":"{}"}})",
                                           many.path("others"))));
  for (const auto& id : ids) {
    EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
    EXPECT_THAT(logs(id), HasSubstr("together 4"));
  }
}

}  // namespace
}  // namespace troupe::cluster
