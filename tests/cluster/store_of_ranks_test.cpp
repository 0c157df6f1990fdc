// Ranks of two workers find each other in the store that the worker of the first one serves:
// whichever of them does not come, comes later or has gone before.
#include "runtime/core/fd.hpp"
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

class StoreOfRanks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(many.start_head());
    ASSERT_TRUE(many.start_worker("w1"));
    ASSERT_TRUE(many.start_worker("w2"));
  }
  /// Four ranks, on both workers or on one; its id.
  std::string gang(const std::string& text, const std::string& more = "") {
    EXPECT_TRUE(replace_file(many.path("ranks.py"), text, 0755, false));
    return many.submit_shell(
        "/usr/bin/python3 " + many.path("ranks.py"),
        fmt::format(
            R"(,"workers":{{"count":{},"processes":{}}},"resources":{{"cpus":2}},"env":{{"TROUPE_COMM_JOIN_S":"{}","FILES":"{}"}}{})",
            workers, 4 / workers, join_s, many.path(""), more));
  }
  std::string logs(const std::string& id) { return many.cli({"logs", id}).out; }
  bool exists(const std::string& name) { return read_file(many.path(name)).has_value(); }

  int workers = 2;
  std::string join_s = "60";
  ManyMachines many;
};

TEST_F(StoreOfRanks, IsServedByNoneOfThem) {
  // Rank 0 has its port for itself: nobody of ours listens there.
  const std::string program = R"(
import os, socket
from array import array
from troupe import comm
if os.environ["RANK"] == "0":
    own = socket.create_server((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
for turn in range(2):
    with comm.open() as ranks, comm.open("beside") as others:
        print("turn", turn, int(ranks.all_reduce(array("d", [1]))[0] + others.all_reduce(array("d", [1]))[0]))
)";
  for (int count : {2, 1}) {
    workers = count;
    auto id = gang(program);
    EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
    EXPECT_THAT(logs(id), HasSubstr("turn 0 8"));
    EXPECT_THAT(logs(id), HasSubstr("turn 1 8"));
  }
}

TEST_F(StoreOfRanks, NamesARankThatNeverJoinsAndThoseThatWait) {
  join_s = "3";
  auto id = gang(R"(
import os, time
from troupe import Error, comm
if os.environ["RANK"] == "0":
    while sum(name.startswith("told") for name in os.listdir(os.environ["FILES"])) < 3:
        time.sleep(0.05)
else:
    try:
        comm.open()
    except Error as error:
        print(error)
    open(os.path.join(os.environ["FILES"], "told" + os.environ["RANK"]), "w")
)");
  EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
  auto text = logs(id);
  auto named = "rank 0 has not come within 3 s; ranks 1, 2, 3 wait";
  for (auto at = text.find(named), n = size_t{0}; n < 3; at = text.find(named, at + 1), ++n)
    ASSERT_NE(at, text.npos) << text;
}

TEST_F(StoreOfRanks, KnowsNothingOfTheAttemptBefore) {
  auto id = gang(R"(
import os, sys, time
from array import array
from troupe import comm
told = os.path.join(os.environ["FILES"], "joins")
if os.environ["TROUPE_ATTEMPT"] == "1" and os.environ["RANK"] == "0":
    while not os.path.exists(told):
        time.sleep(0.02)
    sys.exit(3)
if os.environ["RANK"] == "3":
    open(told, "w")
with comm.open() as ranks:
    print("attempt", os.environ["TROUPE_ATTEMPT"], int(ranks.all_reduce(array("d", [1]))[0]))
)",
                 R"(,"retry":{"count":2})");
  EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
  EXPECT_THAT(logs(id), HasSubstr("attempt 2 4"));
}

TEST_F(StoreOfRanks, IsThereAgainWhenTheWorkersAre) {
  auto id = gang(R"(
import os, time
from array import array
from troupe import comm
files = os.environ["FILES"]
open(os.path.join(files, "runs" + os.environ["RANK"]), "w")
while not os.path.exists(os.path.join(files, "go")):
    time.sleep(0.02)
with comm.open() as ranks:
    print("sum", int(ranks.all_reduce(array("d", [1]))[0]))
)");
  for (const char* file : {"runs0", "runs1", "runs2", "runs3"})
    ASSERT_TRUE(await([&] { return exists(file); })) << file;
  for (const char* worker : {"w1", "w2"}) {
    many.kill_worker(worker);
    ASSERT_TRUE(many.start_worker(worker));
  }
  ASSERT_TRUE(replace_file(many.path("go"), "", 0644, false));
  EXPECT_EQ(many.await_end(id), "FINISHED") << logs(id);
  EXPECT_THAT(logs(id), HasSubstr("sum 4"));
}

}  // namespace
}  // namespace troupe::cluster
