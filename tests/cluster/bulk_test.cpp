// Code, logs and outputs of another machine: whole, in any size, and never before a heartbeat.
#include "tests/cluster/many.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;

TEST(Bulk, CodeArrivesAsItWasSubmitted) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto project = many.path("project");
  fs::create_directories(project + "/sub/deep");
  fs::create_directories(project + "/many");
  std::string large;
  for (int i = 0; large.size() < 3'000'000; ++i) large += std::to_string(i) + "\n";
  std::ofstream{project + "/large"} << large;
  std::ofstream{project + "/empty"};
  std::ofstream{project + "/sub/deep/twin"} << "twin";
  std::ofstream{project + "/sub/twin"} << "twin";
  for (int i = 0; i < 300; ++i) std::ofstream{fmt::format("{}/many/{}", project, i)} << i;
  std::ofstream{project + "/run.sh"} << "#!/bin/sh\necho ran\n";
  fs::permissions(project + "/run.sh", fs::perms::owner_all);
  fs::create_symlink("sub/twin", project + "/link");
  auto ran = many.cli({"run", "--", "sh", "-c",
                       "./run.sh && cat link sub/deep/twin && test -f empty && cp -r . "
                       "$TROUPE_OUTPUT/copy"},
                      60s, project);
  EXPECT_EQ(ran.code, 0) << ran.err << many.worker_err("w1");
  EXPECT_NE(ran.out.find("twintwin"), std::string::npos) << ran.out;
  auto got = many.cli({"out", "get", "1", "copy", "-o", many.path("got")});
  EXPECT_EQ(got.code, 0) << got.err;
  auto compared = std::system(fmt::format("rm -f {0}/link && diff -r {0} {1}/copy > {2}", project,
                                          many.path("got"), many.path("diff"))
                                  .c_str());
  EXPECT_EQ(compared, 0) << many.read("diff");
}

TEST(Bulk, OutputsAreListedPageByPage) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto id =
      many.submit_shell("mkdir $TROUPE_OUTPUT/d; cd $TROUPE_OUTPUT/d; seq 1 10500 | xargs touch");
  ASSERT_EQ(many.await_end(id), "FINISHED");
  auto page = many.get("/api/v1/experiments/" + id + "/outputs?limit=7");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->find("outputs")->as_list().size(), 7u);
  EXPECT_FALSE(page->find("complete")->as_bool());
  auto listed = many.cli({"out", "ls", "-q", id});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(std::count(listed.out.begin(), listed.out.end(), '\n'), 10'500);
  EXPECT_EQ(listed.err.find("not all"), std::string::npos) << listed.err;
  EXPECT_FALSE(many.get("/api/v1/experiments/" + id + "/outputs?page_token=zz"));
}

TEST(Bulk, LargeTransfersDelayNoHeartbeatAndNoJob) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  // Half a gigabyte in which nothing lies on a disk.
  auto id = many.submit_shell("truncate -s 512M $TROUPE_OUTPUT/large; echo done");
  ASSERT_EQ(many.await_end(id), "FINISHED");
  std::vector<Child> transfers;
  for (int i = 0; i < 4; ++i) {
    auto name = fmt::format("get{}", i);
    fs::create_directories(many.path(name + "-dir"));
    transfers.push_back(
        many.cli_child({"out", "get", id, "large", "-o", many.path(name + "-dir")}, name));
  }
  for (int i = 0; i < 5; ++i) {
    auto quick = many.submit_shell("echo quick");
    EXPECT_EQ(many.await_end(quick), "FINISHED");
    EXPECT_NE(many.log_text(quick).find("quick"), std::string::npos);
  }
  for (auto& transfer : transfers) EXPECT_EQ(transfer.wait(120s), 0);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(fs::file_size(many.path(fmt::format("get{}-dir/large", i))), 512u << 20);
  EXPECT_EQ(many.err().find("suspect"), std::string::npos) << many.err();
}

}  // namespace
}  // namespace troupe::cluster
