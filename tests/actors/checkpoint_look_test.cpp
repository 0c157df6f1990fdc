// What a node sees below TROUPE_CHECKPOINTS, which one a job goes on from, and what is removed.
#include "actors/worker/checkpoint_look.hpp"

#include "actors/worker/output_packs.hpp"
#include "runtime/core/fd.hpp"
#include "tests/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CheckpointLookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    paths.dir = dir.path() + "/w";
    paths.outputs = dir.path() + "/outputs";
    folder = paths.checkpoints(id);
    ASSERT_TRUE(make_dirs(folder));
  }
  void put(const std::string& name, const std::string& bytes = "weights") const {
    ASSERT_TRUE(make_dirs(fs::path{folder + "/" + name}.parent_path().string()));
    ASSERT_TRUE(replace_file(folder + "/.new", bytes));
    fs::rename(folder + "/.new", folder + "/" + name);
  }
  /// As seconds since 1970, so that tests need not wait for the clock.
  void made_at(const std::string& name, time_t seconds) const {
    timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder + "/" + name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  CheckpointSeen seen(const std::string& name) const {
    return {name, made_us(folder + "/" + name).value_or(0)};
  }
  static std::vector<std::string> names(const CheckpointLook& look) {
    std::vector<std::string> list;
    for (const auto& one : look.seen()) list.push_back(one.name);
    return list;
  }
  /// Until the folder's time lies behind the kernel's clock.
  static bool look_until(CheckpointLook& look, const std::vector<std::string>& wanted) {
    for (int i = 0; i < 2000; ++i) {
      (void)look.look();
      if (names(look) == wanted) return true;
      // tidy: allow sleep: the kernel's clock ticks on its own
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return false;
  }

  TempDir dir;
  WorkerPaths paths;
  ExperimentId id{42, 0};
  std::string folder;
};

TEST_F(CheckpointLookTest, SeesWhatWasRenamedIntoPlace) {
  CheckpointLook look{folder, 0};
  EXPECT_FALSE(look.look());
  put("step-1");
  made_at("step-1", 1000);
  put("step-2.tmp");
  put("tmp-step-3/model");
  fs::create_symlink("step-1", folder + "/latest");
  EXPECT_TRUE(look.look());
  EXPECT_THAT(names(look), ElementsAre("step-1"));
  EXPECT_FALSE(look.look());
  fs::rename(folder + "/tmp-step-3", folder + "/step-3");
  EXPECT_TRUE(look_until(look, {"step-1", "step-3"}));
  // The same name with other bytes is another one.
  put("step-1", "others");
  EXPECT_TRUE(look_until(look, {"step-3", "step-1"}));
  fs::remove_all(folder + "/step-3");
  EXPECT_TRUE(look_until(look, {"step-1"}));
}

TEST_F(CheckpointLookTest, WhatWasThereBeforeIsOfAnEarlierAttempt) {
  put("old");
  made_at("old", 1000);
  struct stat info {};
  ASSERT_EQ(::stat((folder + "/old").c_str(), &info), 0);
  auto later_us = (int64_t{info.st_ctim.tv_sec} + 3600) * 1'000'000;
  CheckpointLook later{folder, later_us};
  EXPECT_FALSE(later.look());
  EXPECT_THAT(later.seen(), IsEmpty());
  // One that is old, and was put there since.
  CheckpointLook now{folder, int64_t{info.st_ctim.tv_sec} * 1'000'000};
  EXPECT_TRUE(now.look());
  EXPECT_THAT(names(now), ElementsAre("old"));
}

TEST_F(CheckpointLookTest, TheJobGoesOnFromTheNewestThatCanBeHad) {
  put("step-1");
  put("step-2");
  made_at("step-1", 1000);
  made_at("step-2", 2000);
  JobOrder order;
  order.data.push_back({"digits", "digits:1", std::string(64, 'a'), false});
  std::vector<ResumeChoice> choices{{seen("step-2"), "42/checkpoints:2", std::string(64, 'b')},
                                    {seen("step-1"), "", ""},
                                    {{"step-0", 5}, "42/checkpoints:1", std::string(64, 'c')}};
  // It is here: nothing has to come.
  EXPECT_EQ(choose_resume(order, choices, 0, folder), 0u);
  EXPECT_EQ(resume_path(order, "/slot/data"), folder + "/step-2");
  EXPECT_EQ(order.data.size(), 1u);
  // It is another one by now: that of the head is taken.
  made_at("step-2", 2001);
  EXPECT_EQ(choose_resume(order, choices, 0, folder), 0u);
  EXPECT_EQ(resume_path(order, "/slot/data"), "/slot/data/.resume/step-2");
  ASSERT_EQ(order.data.size(), 2u);
  EXPECT_EQ(order.data.back().source, "42/checkpoints:2");
  // That cannot be had either.
  EXPECT_EQ(choose_resume(order, choices, 1, folder), 1u);
  EXPECT_EQ(resume_path(order, "/slot/data"), folder + "/step-1");
  EXPECT_EQ(order.data.size(), 1u);
  fs::remove(folder + "/step-1");
  EXPECT_EQ(choose_resume(order, choices, 1, folder), 2u);
  EXPECT_EQ(choose_resume(order, choices, 3, folder), std::nullopt);
  EXPECT_EQ(resume_path(order, "/slot/data"), "");
  EXPECT_EQ(order.data.size(), 1u);
}

TEST_F(CheckpointLookTest, OnlyWhatIsAsItWasIsRemoved) {
  put("step-1/model");
  put("step-2/model");
  auto one = seen("step-1"), two = seen("step-2");
  --two.made_us;
  drop_checkpoints(paths, {id, {one, two, {"../../other", 0}, {"gone", 7}}});
  EXPECT_FALSE(fs::exists(folder + "/step-1"));
  EXPECT_TRUE(fs::exists(folder + "/step-2/model"));
  EXPECT_EQ(std::distance(fs::directory_iterator{folder}, {}), 1);
}

TEST_F(CheckpointLookTest, IsPackedByItselfAndSharesBlocksWithTheOneBefore) {
  std::string weights;
  for (int i = 0; i < 3'000'000; ++i) weights += std::to_string(i);
  put("step-1/model", weights);
  put("step-1/opt", "a");
  weights.back() = '!';
  put("step-2/model", weights);
  put("step-2/opt", "b");
  OutputPacks packs;
  auto one = packs.pack_checkpoint(id, folder, seen("step-1"));
  auto two = packs.pack_checkpoint(id, folder, seen("step-2"));
  ASSERT_TRUE(one) << to_string(one.error());
  ASSERT_TRUE(two);
  EXPECT_NE((**one).manifest().find("step-1/model"), nullptr);
  EXPECT_EQ((**one).manifest().find("step-2"), nullptr);
  size_t shared = 0;
  for (const auto& block : (**two).manifest().blocks)
    for (const auto& before : (**one).manifest().blocks) shared += block.id == before.id;
  EXPECT_GE(shared + 3, (**one).manifest().blocks.size());
  EXPECT_GE(shared, 1u);
  // Asked for again it is the same, also after it was forgotten; replaced it is gone.
  for (const auto& block : (**two).manifest().blocks) {
    auto again = OutputPacks{}.last_checkpoint(id, folder, seen("step-2"));
    ASSERT_TRUE(again);
    EXPECT_TRUE((**again).block(block.id));
  }
  auto before = seen("step-2");
  fs::remove_all(folder + "/step-2");
  put("step-2", "a file now");
  made_at("step-2", 99);
  auto replaced = packs.pack_checkpoint(id, folder, before);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, Errc::not_found);
  EXPECT_EQ(packs.pack_checkpoint(id, folder, {"../../../etc", 0}).error().code, Errc::not_found);
}

}  // namespace
}  // namespace troupe::actors
