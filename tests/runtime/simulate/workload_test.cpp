#include "runtime/simulate/workload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::simulate {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(Workload, ReadsNodesPolicyAndJobs) {
  auto read = read_lines(R"(# a comment, then an empty line

{"nodes": 2, "gpus": 8, "cpus": 64, "mem": "256GiB", "gpu_type": "H100", "labels": {"rack": "1"}}
{"policy": "backfill"}
{"at": "1h", "run": 90, "gpus": 2, "workers": 3, "priority": 60, "user": "ada", "limit": "2m"}
{"at": 5, "run": "10s", "cpus": 0.5, "mem": "1GiB", "count": 3, "every": "1m", "name": "small"}
{"run": 1, "gpus": 1, "gpu_share": 0.25}
)");
  ASSERT_TRUE(read) << read.error().what;
  ASSERT_EQ(read->nodes.size(), 2u);
  EXPECT_EQ(read->nodes[1].name, "n00001");
  EXPECT_EQ(read->nodes[1].mem, 256ull << 30);
  EXPECT_EQ(read->nodes[1].labels.at("rack"), "1");
  EXPECT_EQ(read->policy, "backfill");
  ASSERT_EQ(read->tasks.size(), 5u);
  EXPECT_EQ(read->tasks[0].request.amount.gpu_share, 250u);
  EXPECT_EQ(read->tasks[1].name, "small");
  EXPECT_EQ(read->tasks[3].at, Time{seconds{125}});
  EXPECT_EQ(read->tasks[4].at, Time{hours{1}});
  EXPECT_EQ(read->tasks[4].request.workers_min, 3u);
  EXPECT_EQ(read->tasks[4].request.limit, Time{seconds{120}});
}

TEST(Workload, NamesTheLineThatIsWrong) {
  auto fails = [](std::string_view text) {
    auto read = read_lines(text);
    return read ? Error{} : read.error();
  };
  EXPECT_EQ(fails("{\"run\": 1}\n{\"run\": }\n").what, "line 2 is no JSON object");
  EXPECT_EQ(fails("[1]").what, "line 1 is no JSON object");
  EXPECT_THAT(fails("{\"at\": 1}").what, HasSubstr("line 1: no run"));
  EXPECT_THAT(fails("{\"run\": \"soon\"}").what, HasSubstr("line 1: run is not a time"));
  EXPECT_THAT(fails("{\"run\": -1}").what, HasSubstr("run is not a time"));
  EXPECT_THAT(fails("{\"run\": 1, \"gpus\": 1.5}").what, HasSubstr("gpus is not a whole number"));
  EXPECT_THAT(fails("{\"run\": 1, \"gpus\": -1}").what, HasSubstr("gpus is not a number from 0"));
  EXPECT_THAT(fails("{\"run\": 1, \"gpu_share\": 0}").what, HasSubstr("gpu_share"));
  EXPECT_THAT(fails("{\"run\": 1, \"mem\": \"4\"}").what, HasSubstr("mem is not a size"));
  auto typo = fails("{\"run\": 1, \"gpu\": 1}");
  EXPECT_EQ(typo.what, "line 1: unknown key gpu");
  EXPECT_THAT(typo.hint, HasSubstr("gpus"));
  EXPECT_THAT(fails("{\"policy\": \"lottery\"}").what, HasSubstr("line 1: no policy lottery"));
  EXPECT_THAT(fails("{\"nodes\": 0}").what, HasSubstr("nodes"));
}

TEST(Workload, ReadsClustersAsTheyAreTyped) {
  auto nodes = read_cluster("2x8:V100+1xcpus=4,mem=8GiB,gpus=1,type=T4");
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 3u);
  EXPECT_EQ((*nodes)[1].gpus, 8u);
  EXPECT_EQ((*nodes)[1].gpu_type, "V100");
  EXPECT_EQ((*nodes)[2].milli_cpus, 4000);
  EXPECT_EQ((*nodes)[2].gpu_type, "T4");
  for (const auto* bad : {"", "8", "0x8", "x8", "2xcpus=many", "2xtyp=a", "2x8:V100+", "9999999x1"})
    EXPECT_FALSE(read_cluster(bad) && read_cluster(bad)->size() != 2) << bad;
}

TEST(Workload, ReadsThePhillyTable) {
  auto read = read_philly(
      "timestamp,duration,num_gpus,gpu_time,cluster\r\n"
      "2017-09-04 10:30:41,60.5,8,484,a\r\n2017-09-04 10:30:31,1,1,1,b\r\n",
      true);
  ASSERT_TRUE(read) << read.error().what;
  ASSERT_EQ(read->tasks.size(), 2u);
  EXPECT_EQ(read->tasks[0].request.project, "b");
  EXPECT_EQ(read->tasks[1].at, Time{seconds{10}});
  EXPECT_EQ(read->tasks[1].run, Time{60'500});
  EXPECT_THAT(read_philly("a,b\n").error().what, HasSubstr("no column timestamp"));
  auto bad =
      read_philly("timestamp,duration,num_gpus,gpu_time,cluster\n2017-09-04 10:30:41,x,8,1,a\n");
  EXPECT_EQ(bad.error().what, "the job table, line 2: duration is not a number of 0 or more");
  bad = read_philly("timestamp,duration,num_gpus,gpu_time,cluster\nyesterday,1,8,1,a\n");
  EXPECT_THAT(bad.error().what, HasSubstr("line 2: timestamp is not a time"));
}

TEST(Workload, KeepsASlice) {
  auto read = read_lines(
      "{\"at\": 30, \"run\": 1, \"name\": \"c\"}\n{\"at\": 10, \"run\": 1}\n"
      "{\"at\": 20, \"run\": 1, \"name\": \"b\"}\n");
  keep_slice(*read, 1, 99);
  ASSERT_EQ(read->tasks.size(), 2u);
  EXPECT_EQ(read->tasks[0].name, "b");
  EXPECT_EQ(read->tasks[1].at, Time{seconds{10}});
}

TEST(Workload, SplitsWhatNoNodeHolds) {
  auto read = read_lines(
      "{\"nodes\": 4, \"gpus\": 8}\n{\"run\": 1, \"gpus\": 12}\n{\"run\": 1, \"gpus\": 8}\n"
      "{\"run\": 1, \"gpus\": 13}\n");
  split_over_nodes(*read);
  EXPECT_EQ(read->tasks[0].request.workers_min, 2u);
  EXPECT_EQ(read->tasks[0].request.amount.gpus, 6u);
  EXPECT_EQ(read->tasks[1].request.workers_min, 1u);
  EXPECT_EQ(read->tasks[2].request.workers_min, 13u);
}

}  // namespace
}  // namespace troupe::simulate
