// Datasets as a user has them: pushed, mounted into jobs on one machine and on several, removed.
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sys/mount.h>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A folder with a table, an executable, an empty file, one that has several blocks.
void make_folder(const std::string& folder) {
  fs::create_directories(folder + "/sub/deep");
  std::ofstream{folder + "/prices.csv"} << "day,price\nmonday,3\ntuesday,4\n";
  std::ofstream{folder + "/sub/run.sh"} << "#!/bin/sh\necho ran\n";
  fs::permissions(folder + "/sub/run.sh", fs::perms::owner_all);
  std::ofstream{folder + "/sub/deep/empty"};
  std::string large;
  for (int i = 0; large.size() < 5'000'000; ++i) large += std::to_string(i) + "\n";
  std::ofstream{folder + "/sub/large"} << large;
}

size_t mounts_below(const std::string& folder) {
  auto mounts = read_file("/proc/self/mounts", 1 << 20).value_or("");
  size_t count = 0;
  for (size_t at = 0; (at = mounts.find(" " + folder, at)) != std::string::npos; ++at) ++count;
  return count;
}

class Data : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(up.start());
    make_folder(folder);
  }
  Output push(const std::string& name = "prices") { return up.cli({"data", "push", name, folder}); }
  Output run(const std::vector<std::string>& options, const std::string& shell) {
    return up.run_shell(options, shell);
  }
  UpProcess up;
  std::string folder = up.path("data");
};

TEST_F(Data, IsPushedOnceAndOnlyWhatChangedMoves) {
  auto first = push();
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("prices:1\t4 files"));
  auto again = push();
  EXPECT_THAT(again.out, HasSubstr("prices:1"));
  EXPECT_THAT(again.out, HasSubstr("unchanged"));
  EXPECT_THAT(again.err, HasSubstr("sent 0 B in 0 blocks"));
  std::ofstream{folder + "/prices.csv", std::ios::app} << "friday,5\n";
  auto changed = push();
  EXPECT_THAT(changed.out, HasSubstr("prices:2"));
  EXPECT_THAT(changed.err, HasSubstr("in 1 blocks"));
  EXPECT_EQ(up.cli({"data", "diff", "prices:1", "prices"}).out, "~ prices.csv\n");
  EXPECT_THAT(up.cli({"data", "head", "prices"}).out,
              HasSubstr("day,price\nmonday,3\ntuesday,4\nfriday,5\n"));
  EXPECT_THAT(up.cli({"data", "ls"}).out, HasSubstr("prices\t2\t"));
  // What comes back is what was pushed.
  ASSERT_EQ(up.cli({"data", "get", "prices:2", up.path("got")}).code, 0);
  auto compared = std::system(
      fmt::format("diff -r {} {} > {}", folder, up.path("got"), up.path("diff")).c_str());
  EXPECT_EQ(compared, 0);
}

TEST_F(Data, IsATreeOfOrdinaryFilesInAJob) {
  ASSERT_EQ(push().code, 0);
  auto ran = run({"--data", "prices", "--data", "prices:1:again"},
                 "cd $TROUPE_DATA_PRICES && sub/run.sh && cat prices.csv && cp -r . "
                 "$TROUPE_OUTPUT/copy && cmp sub/large $TROUPE_DATA/again/sub/large && "
                 "ls $TROUPE_DATA && ! touch new && ! rm prices.csv");
  EXPECT_EQ(ran.code, 0) << ran.err << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("ran\nday,price\nmonday,3\n"));
  EXPECT_THAT(ran.out, HasSubstr("again\nprices\n"));
  ASSERT_EQ(up.cli({"out", "get", "last", "copy", "-o", up.path("got")}).code, 0);
  for (const auto* file : {"prices.csv", "sub/large", "sub/deep/empty"})
    EXPECT_TRUE(read_file(up.path("got") + "/copy/" + file, 10 << 20).value_or("not there") ==
                read_file(folder + "/" + file, 10 << 20).value_or("gone"))
        << file;
  // The record says which version it was.
  auto shown = up.show("1");
  const auto& datasets = shown.find("datasets")->as_list();
  ASSERT_EQ(datasets.size(), 2u);
  EXPECT_EQ(datasets[0].find("source")->as_string(), "prices:1");
  EXPECT_EQ(datasets[0].find("digest")->as_string().size(), 64u);
}

TEST_F(Data, IsSeenByItsJobAlone) {
  ASSERT_EQ(push().code, 0);
  auto id = up.submit_shell(
      "cat $TROUPE_DATA/prices/prices.csv; until test -e $TROUPE_OUTPUT/go; do sleep 0.02; done; "
      "cat $TROUPE_DATA/prices/prices.csv",
      R"(,"data":["prices"])");
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  ASSERT_TRUE(await([&] { return up.log_text(id).find("tuesday") != std::string::npos; }));
  const auto shown = up.show(id);
  const auto& mount = shown.find("jobs")->as_list()[0].find("mounts")->as_list().at(0);
  EXPECT_EQ(text_of(mount, "mount"), "prices");
  if (text_of(mount, "place") != "private") GTEST_SKIP() << "no namespaces here";
  const auto worker = up.dir() + "/workers/0/";
  EXPECT_EQ(mounts_below(worker + "slots"), 0u);
  EXPECT_TRUE(fs::is_empty(worker + "slots/0/data/prices"));
  // The node's own mounts may go, and the job reads on.
  EXPECT_EQ(::umount2((worker + "trees").c_str(), MNT_DETACH), 0);
  std::ofstream{up.dir() + "/outputs/" + id + "/go"};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_EQ(run({"--data", "prices"}, "cat $TROUPE_DATA_PRICES/prices.csv").code, 0);
}

TEST_F(Data, IsMountedTheWayThatIsAskedFor) {
  ASSERT_EQ(push().code, 0);
  const auto doctor = up.cli({"doctor"}).out;
  auto way = [&](const std::string& method) {
    auto ran = run({"--data", "prices", "--mount-method", method},
                   "cksum < $TROUPE_DATA_PRICES/sub/large; ! touch $TROUPE_DATA_PRICES/x 2>&1");
    if (ran.code != 0) {
      EXPECT_THAT(ran.err, HasSubstr("data cannot be mounted by " + method));
      EXPECT_THAT(doctor, Not(HasSubstr("mounted (" + method + ")")));
      return std::string{};
    }
    const auto shown = up.cli({"show", "last"}).out;
    EXPECT_THAT(shown, HasSubstr("prices: " + method + ", "));
    auto sum = ran.out.substr(ran.out.find('\n') + 1);
    return sum.substr(0, sum.find('\n'));
  };
  auto copied = way("copy");
  EXPECT_NE(copied, "");
  for (const auto* method : {"erofs", "erofs-loop", "fuse"})
    EXPECT_THAT(way(method), AnyOf(copied, "")) << method;
  auto wrong = run({"--data", "prices", "--mount-method", "nfs"}, "true");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("auto, erofs, erofs-loop, fuse, copy"));
  ASSERT_EQ(up.stop(), 0);
  EXPECT_EQ(mounts_below(up.dir()), 0u);
}

TEST_F(Data, CanBeWritableForOneJob) {
  ASSERT_EQ(push().code, 0);
  auto mine = run({"--data", "prices:1::rw"},
                  "cd $TROUPE_DATA_PRICES && echo friday,5 >> prices.csv && rm sub/run.sh && "
                  "echo new > sub/new && cat prices.csv sub/new && ls sub");
  if (mine.code != 0) {
    EXPECT_THAT(mine.err, HasSubstr("prices cannot be writable on "));
    GTEST_SKIP() << "no overlays here";
  }
  EXPECT_THAT(mine.out, HasSubstr("tuesday,4\nfriday,5\nnew\n"));
  EXPECT_THAT(mine.out, Not(HasSubstr("run.sh")));
  EXPECT_THAT(up.cli({"show", "last"}).out, HasSubstr("private, writable"));
  // Nobody else sees it, and nothing of it stays.
  auto other = run({"--data", "prices"}, "cd $TROUPE_DATA_PRICES && cat prices.csv && ls sub");
  EXPECT_THAT(other.out, Not(HasSubstr("friday")));
  EXPECT_THAT(other.out, HasSubstr("run.sh"));
  EXPECT_TRUE(await([&] { return !fs::exists(up.dir() + "/workers/0/slots/0/overlay"); }));
  // All lines of a job, and all its processes, have one.
  auto id = up.submit(
      R"({"project":"p","run":["echo $RANK > $TROUPE_DATA_PRICES/by-$RANK",)"
      R"("ls $TROUPE_DATA_PRICES | grep -c by-"],)"
      R"("data":[{"source":"prices","writable":true}],"workers":{"count":1,"processes":3}})");
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_THAT(up.log_text(id), HasSubstr("3"));
}

TEST_F(Data, NothingIsMountedWhenUpHasStopped) {
  ASSERT_EQ(push().code, 0);
  EXPECT_EQ(run({"--data", "prices"}, "ls $TROUPE_DATA_PRICES").code, 0);
  ASSERT_EQ(up.stop(), 0);
  EXPECT_EQ(mounts_below(up.dir()), 0u);
}

TEST_F(Data, AJobGoesOnReadingWhenUpIsKilled) {
  ASSERT_EQ(push().code, 0);
  auto id = up.submit_shell(
      "until test -e $TROUPE_OUTPUT/go; do read x < $TROUPE_DATA_PRICES/prices.csv || exit 9; "
      "done; cat $TROUPE_DATA_PRICES/sub/large | wc -c",
      R"(,"data":["prices"])");
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  up.kill9();
  ASSERT_TRUE(up.start());
  std::ofstream{up.dir() + "/outputs/" + id + "/go"};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_THAT(up.cli({"logs", id}).out, HasSubstr("5000"));
  ASSERT_EQ(up.stop(), 0);
  EXPECT_EQ(mounts_below(up.dir()), 0u);
}

TEST_F(Data, MistakesAreNamedBeforeAnythingRuns) {
  ASSERT_EQ(push().code, 0);
  auto refused = [&](std::vector<std::string> options, int code, const std::string& words) {
    auto ran = run(std::move(options), "true");
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(words));
    EXPECT_EQ(ran.out, "");
  };
  refused({"--data", "price"}, 3, "did you mean `prices`?");
  refused({"--data", "prices:7"}, 3, "its newest version is 1");
  refused({"--data", "prices:7x/../y"}, 2, "prices:7x/../y");
  refused({"--data", "prices", "--data", "prices:1"}, 2, "prices is mounted twice");
  refused({"--data", "prices:1:a/b"}, 2, "cannot be a mount's name");
  refused({"--data", "1/out"}, 3, "experiment 1 not found");
  EXPECT_EQ(up.cli({"data", "push", "a/b", folder}).code, 2);
  EXPECT_EQ(up.cli({"data", "push", "ok", folder + "/missing"}).code, 3);
  fs::create_symlink("/etc/passwd", folder + "/out-of-here");
  auto link = push();
  EXPECT_NE(link.code, 0);
  EXPECT_THAT(link.err, HasSubstr("out-of-here"));
  EXPECT_THAT(up.cli({"data", "ls", "-q"}).out, Not(HasSubstr("ok")));
}

TEST_F(Data, AVersionIsRemovedOnlyWhenNothingUsesIt) {
  ASSERT_EQ(push().code, 0);
  auto id = up.submit_shell("until test -e $TROUPE_OUTPUT/go; do sleep 0.05; done",
                            R"(,"data":["prices"])");
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  auto used = up.cli({"data", "rm", "prices:1"});
  EXPECT_EQ(used.code, 5) << used.err;
  EXPECT_THAT(used.err, HasSubstr("1 has not ended"));
  std::ofstream{up.dir() + "/outputs/" + id + "/go"};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_EQ(up.cli({"data", "rm", "prices"}).code, 2);
  EXPECT_EQ(up.cli({"data", "rm", "prices:1"}).code, 0);
  EXPECT_EQ(up.cli({"data", "show", "prices"}).code, 3);
  // Its number is not given again.
  EXPECT_THAT(push().out, HasSubstr("prices:2"));
}

TEST_F(Data, TagsStandForVersions) {
  ASSERT_EQ(up.cli({"data", "push", "prices", folder, "--tag", "clean"}).code, 0);
  std::ofstream{folder + "/more"} << "more";
  ASSERT_EQ(push().code, 0);
  auto clean = run({"--data", "prices:clean"}, "! test -e $TROUPE_DATA_PRICES/more");
  EXPECT_EQ(clean.code, 0) << clean.err;
  ASSERT_EQ(up.cli({"data", "tag", "prices:2", "clean"}).code, 0);
  EXPECT_EQ(run({"--data", "prices:clean"}, "test -e $TROUPE_DATA_PRICES/more").code, 0);
  EXPECT_EQ(up.cli({"data", "tag", "prices", "7"}).code, 2);
}

TEST(DataOnManyMachines, ASecondNodeIsFilledFromTheFirst) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  make_folder(many.path("data"));
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  auto first = many.cli({"data", "warm", "prices", "--nodes", "w1"});
  ASSERT_EQ(first.code, 0) << first.err << first.out;
  EXPECT_THAT(first.out, HasSubstr("w1: "));
  EXPECT_THAT(first.out, HasSubstr("from the head"));
  auto shown = many.cli({"data", "show", "prices"});
  EXPECT_THAT(shown.out, HasSubstr("w1: "));
  EXPECT_THAT(shown.out, Not(HasSubstr("w2: ")));
  // From now on the head has none of its blocks.
  for (const auto& entry : fs::recursive_directory_iterator{many.dir() + "/data/blocks"})
    if (entry.is_regular_file()) fs::remove(entry.path());
  auto second = many.cli({"data", "warm", "prices", "--nodes", "w2"});
  ASSERT_EQ(second.code, 0) << second.err << second.out << many.worker_err("w2");
  EXPECT_THAT(second.out, HasSubstr("from node w1"));
  EXPECT_THAT(many.cli({"node", "show", "w2"}).out, HasSubstr("prices:1: "));
  auto ran = many.cli({"run", "--no-code", "--workers", "2", "--data", "prices", "--", "sh", "-c",
                       "cksum < $TROUPE_DATA_PRICES/sub/large"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  auto unknown = many.cli({"data", "warm", "prices", "--nodes", "w9"});
  EXPECT_EQ(unknown.code, 3) << unknown.err;
  EXPECT_THAT(unknown.err, HasSubstr("w9"));
}

TEST(DataOnManyMachines, AJobGoesWhereItsDataIs) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  make_folder(many.path("data"));
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  ASSERT_EQ(many.cli({"data", "warm", "prices", "--nodes", "w2"}).code, 0);
  auto ran =
      many.cli({"run", "--no-code", "--data", "prices", "--", "sh", "-c", "echo $TROUPE_NODE"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(many.cli({"show", "1", "-o", "json"}).out, HasSubstr("\"w2\""));
  // Both are full: the next waits, and its data is fetched where it will start.
  for (int i = 0; i < 2; ++i)
    many.submit_shell("until test -e " + many.path("go") + "; do sleep 0.05; done",
                      R"(,"resources":{"cpus":2})");
  ASSERT_TRUE(many.await_state("3", "RUNNING"));
  std::ofstream{many.path("data") + "/more"} << "more";
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  auto waits = many.submit_shell("cat $TROUPE_DATA_PRICES/more",
                                 R"(,"resources":{"cpus":2},"data":["prices"])");
  EXPECT_TRUE(await([&] {
    return many.cli({"data", "show", "prices:2"}).out.find("needed by the queue") !=
           std::string::npos;
  }));
  auto why = many.cli({"why", waits});
  EXPECT_THAT(why.out, HasSubstr("reads prices:2"));
  std::ofstream{many.path("go")};
  EXPECT_EQ(many.await_end(waits), "FINISHED");
}

TEST(DataOnManyMachines, ALimitIsKeptAndSaid) {
  ManyMachines many{{}, {"--cpus", "2", "--mem", "1GiB", "--cache-limit", "8MiB"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  make_folder(many.path("data"));
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  ASSERT_EQ(many.cli({"data", "warm", "prices"}).code, 0);
  std::ofstream{many.path("data") + "/sub/large", std::ios::app} << "another";
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  ASSERT_EQ(many.cli({"data", "warm", "prices:2"}).code, 0);
  std::string node;
  EXPECT_TRUE(await([&] {
    node = many.cli({"node", "show", "w1"}).out;
    return node.find("prices:2") != std::string::npos;
  })) << node;
  EXPECT_THAT(node, HasSubstr("of 8 MiB used, 1 version"));
  std::string large;  // no two blocks of it alike: equal ones are kept once
  for (uint64_t x = 1; large.size() < 9u << 20; x = x * 6364136223846793005u + 1)
    large += std::to_string(x);
  std::ofstream{many.path("data") + "/sub/larger"} << large;
  ASSERT_EQ(many.cli({"data", "push", "larger", many.path("data")}).code, 0);
  auto refused = many.cli({"data", "warm", "larger"});
  EXPECT_EQ(refused.code, 1) << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("the limit of the cache there is 8 MiB"));
}

TEST(DataOnManyMachines, ComesToEachNodeThatNeedsIt) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  make_folder(many.path("data"));
  auto pushed = many.cli({"data", "push", "prices", many.path("data")});
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  auto ran = many.cli({"run", "--no-code", "--workers", "2", "--data", "prices", "--", "sh", "-c",
                       "cksum < $TROUPE_DATA_PRICES/sub/large"});
  EXPECT_EQ(ran.code, 0) << ran.err << many.worker_err("w1");
  auto sum = ran.out.substr(ran.out.find(' ') + 1);
  sum = sum.substr(0, sum.find('\n'));
  EXPECT_THAT(ran.out, HasSubstr("1.worker.0 " + sum));
  EXPECT_THAT(ran.out, HasSubstr("1.worker.1 " + sum));
}

}  // namespace
}  // namespace troupe::cluster
