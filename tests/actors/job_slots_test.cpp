// The folders that jobs are given, and what becomes of them when they end.
#include "actors/worker/job_slots.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "tests/actors/head_fixture.hpp"

#include <filesystem>
#include <sys/stat.h>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;

class Slots : public ::testing::Test {
 protected:
  JobOrder order(uint64_t experiment, uint64_t epoch = 1, const std::string& token = "tj_secret") {
    JobOrder made;
    made.key = JobKey{JobId{{experiment, 0}, "worker", 0}, epoch};
    made.phases = {{{"train"}, false}};
    made.token = token;
    return made;
  }
  void open() {
    slots.reset();
    slots = std::make_unique<JobSlots>(paths, "a");
  }
  uint32_t take(const JobOrder& which) {
    auto slot = slots->take(which);
    EXPECT_TRUE(slot);
    return slot.value_or(1000);
  }
  void finish(const JobOrder& which) {
    slots->clean(which.key);
    slots->release(which.key);
  }
  void write(const std::string& path, const std::string& text = "x") {
    ASSERT_TRUE(replace_file(path, text)) << path;
  }
  static uint64_t inode(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  }

  TempDir dir;
  WorkerPaths paths{dir.path() + "/w", dir.path() + "/outputs", false};
  std::unique_ptr<JobSlots> slots = std::make_unique<JobSlots>(paths, "a");
};

TEST_F(Slots, OfAVersionThatKnewNoLeasesAreRead) {
  auto path = paths.order(take(order(1)));
  auto text = *read_file(path);
  auto bytes = text.substr(text.find('\n') + 1);
  bytes.pop_back();
  write(path, sha256_hex(bytes) + "\n" + bytes);
  auto old = read_order(path);
  ASSERT_TRUE(old) << to_string(old.error());
  EXPECT_EQ(old->key, order(1).key);
  EXPECT_FALSE(old->leased);
}

TEST_F(Slots, HoldWhatAJobNeeds) {
  auto slot = take(order(1));
  EXPECT_TRUE(fs::is_empty(paths.work(slot)));
  EXPECT_TRUE(fs::is_empty(paths.scratch(slot)));
  EXPECT_TRUE(fs::is_empty(paths.checkpoints({1, 0})));
  EXPECT_EQ(*read_file(paths.token(slot)), "tj_secret");
  EXPECT_EQ(fs::status(paths.token(slot)).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(read_order(paths.order(slot))->key, order(1).key);
}

TEST_F(Slots, UntouchedServeTheNextJobAsTheyAre) {
  auto slot = take(order(1, 1, "a long token"));
  auto work = inode(paths.work(slot));
  auto checkpoints = inode(paths.checkpoints({1, 0}));
  finish(order(1));
  EXPECT_FALSE(fs::exists(paths.output({1, 0})));
  EXPECT_EQ(take(order(2, 1, "short")), slot);
  EXPECT_EQ(inode(paths.work(slot)), work);
  EXPECT_EQ(inode(paths.checkpoints({2, 0})), checkpoints);
  EXPECT_EQ(*read_file(paths.token(slot)), "short");
  EXPECT_EQ(read_order(paths.order(slot))->key, order(2).key);
}

TEST_F(Slots, OfTwoJobsAtATimeAreTwo) {
  EXPECT_NE(take(order(1)), take(order(2)));
}

TEST_F(Slots, StayWithAnEndedJobUntilItIsReleased) {
  auto slot = take(order(1));
  slots->clean(order(1).key);
  EXPECT_NE(take(order(2)), slot);
  EXPECT_EQ(read_order(paths.order(slot))->key, order(1).key);
}

TEST_F(Slots, LeaveNothingOfAJobToTheNext) {
  auto slot = take(order(1));
  ASSERT_TRUE(make_dirs(paths.scratch(slot) + "/deep/er"));
  write(paths.scratch(slot) + "/deep/er/file");
  fs::permissions(paths.scratch(slot) + "/deep", fs::perms::owner_read);
  fs::permissions(paths.scratch(slot), fs::perms::owner_read);
  write(paths.work(slot) + "/.hidden");
  write(paths.metrics(slot));
  write(paths.stop_file(slot));
  write(paths.slot(slot) + "/own-idea");
  ASSERT_TRUE(make_dirs(paths.slot(slot) + "/folder"));
  finish(order(1));
  EXPECT_EQ(take(order(2)), slot);
  EXPECT_TRUE(fs::is_empty(paths.work(slot)));
  EXPECT_TRUE(fs::is_empty(paths.scratch(slot)));
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator{paths.slot(slot)})
    names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"order", "scratch", "token", "work"}));
}

TEST_F(Slots, AreMadeAgainWhereAJobRemovedOrReplacedThem) {
  auto slot = take(order(1));
  fs::remove(paths.scratch(slot));
  fs::remove(paths.work(slot));
  fs::create_directory(dir.path() + "/elsewhere");
  write(dir.path() + "/elsewhere/file");
  fs::create_directory_symlink(dir.path() + "/elsewhere", paths.work(slot));
  finish(order(1));
  EXPECT_EQ(take(order(2)), slot);
  EXPECT_TRUE(fs::is_empty(paths.scratch(slot)));
  EXPECT_FALSE(fs::is_symlink(paths.work(slot)));
  EXPECT_TRUE(fs::exists(dir.path() + "/elsewhere/file"));
  fs::remove_all(paths.slot(slot));
  finish(order(2));
  take(order(3));
  EXPECT_EQ(*read_file(paths.token(slot)), "tj_secret");
}

TEST_F(Slots, MakeWayForCode) {
  auto slot = take(order(1));
  finish(order(1));
  auto with_code = order(2);
  with_code.code_digest = "d";
  EXPECT_EQ(take(with_code), slot);
  EXPECT_FALSE(fs::exists(paths.work(slot))) << "whoever copies the code makes it";
}

TEST_F(Slots, KeepOutputsThatWereWritten) {
  take(order(1));
  write(paths.output({1, 0}) + "/model");
  finish(order(1));
  EXPECT_TRUE(fs::exists(paths.output({1, 0}) + "/model"));
  take(order(2));
  write(paths.checkpoints({2, 0}) + "/step-1");
  finish(order(2));
  EXPECT_TRUE(fs::exists(paths.checkpoints({2, 0}) + "/step-1"));
}

TEST_F(Slots, GiveTheNextAttemptTheSameOutput) {
  take(order(1));
  write(paths.checkpoints({1, 0}) + "/step-1");
  finish(order(1));
  auto second = order(1, 2);
  second.attempt = 2;
  take(second);
  EXPECT_TRUE(fs::exists(paths.checkpoints({1, 0}) + "/step-1"));
}

TEST_F(Slots, LeaveTheOutputToAnAttemptThatHasBegun) {
  take(order(1));
  auto second = order(1, 2);
  second.attempt = 2;
  take(second);
  finish(order(1));
  EXPECT_TRUE(fs::is_directory(paths.checkpoints({1, 0})));
}

TEST_F(Slots, LeaveTheOutputOfAGangAndOfASharedDisk) {
  auto gang = order(1);
  gang.nodes = 2;
  take(gang);
  finish(gang);
  EXPECT_TRUE(fs::exists(paths.output({1, 0})));
  paths.outputs_are_shared = true;
  open();
  take(order(2));
  finish(order(2));
  EXPECT_TRUE(fs::exists(paths.output({2, 0})));
}

TEST_F(Slots, AreHeldAcrossARestartOfTheWorker) {
  auto slot = take(order(1));
  write(paths.scratch(slot) + "/half-done");
  open();
  EXPECT_NE(take(order(2)), slot);
  EXPECT_TRUE(fs::exists(paths.scratch(slot) + "/half-done"));
  slots->release(order(1).key);
  EXPECT_EQ(take(order(3)), slot);
  EXPECT_TRUE(fs::is_empty(paths.scratch(slot)));
}

TEST_F(Slots, WithHalfAnOrderAreEmptiedAtTheStart) {
  auto slot = take(order(1));
  write(paths.scratch(slot) + "/file");
  auto text = *read_file(paths.order(slot));
  write(paths.order(slot), text.substr(0, text.size() - 1));
  EXPECT_EQ(read_order(paths.order(slot)).error().code, Errc::corrupt);
  EXPECT_TRUE(read_orders(paths).empty());
  open();
  EXPECT_EQ(take(order(2)), slot);
  EXPECT_TRUE(fs::is_empty(paths.scratch(slot)));
}

TEST_F(Slots, SpareOutputsServeAfterARestart) {
  take(order(1));
  auto checkpoints = inode(paths.checkpoints({1, 0}));
  finish(order(1));
  open();
  take(order(2));
  EXPECT_EQ(inode(paths.checkpoints({2, 0})), checkpoints);
}

TEST_F(Slots, TakenTwiceByOneKeyAreOne) {
  auto slot = take(order(1));
  write(paths.work(slot) + "/file");
  EXPECT_EQ(take(order(1)), slot);
  EXPECT_TRUE(fs::is_empty(paths.work(slot)));
}

TEST(TrashTest, RemovesWhatItIsGivenAndWhatWasLeft) {
  TempDir dir;
  auto trash_dir = dir.path() + "/trash";
  for (int round = 0; round < 2; ++round) {
    auto path = dir.path() + "/tree";
    ASSERT_TRUE(make_dirs(path + "/a/b"));
    ASSERT_TRUE(replace_file(path + "/a/b/file", "x"));
    fs::permissions(path + "/a/b", fs::perms::owner_read);
    Trash trash{trash_dir};
    ASSERT_TRUE(trash.discard(path));
    EXPECT_FALSE(fs::exists(path));
    ASSERT_TRUE(trash.discard(path)) << "nothing there is fine";
  }
  Trash last{trash_dir};
  while (!fs::is_empty(trash_dir)) std::this_thread::yield();
}

}  // namespace
}  // namespace troupe::actors
