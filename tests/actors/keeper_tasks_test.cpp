// What a worker says that it keeps, and how outputs leave it.
#include "actors/worker/keeper_tasks.hpp"

#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;

class KeeperTasks : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* folder : {"/outputs/7/checkpoints", "/outputs/8", "/outputs/9.2/sub",
                               "/outputs/.spare/w/1/checkpoints", "/logs/7.worker.0"})
      fs::create_directories(dir.path() + folder);
    for (const auto* file : {"/outputs/7/model", "/outputs/7/checkpoints/step",
                             "/logs/7.worker.0/0", "/outputs/9.2/sub/rows"})
      std::ofstream{dir.path() + file} << std::string(100'000, 'x');
    fs::create_symlink("/etc/passwd", dir.path() + "/outputs/9.2/link");
  }
  TempDir dir;
  WorkerPaths paths{dir.path(), dir.path() + "/outputs"};
};

TEST_F(KeeperTasks, FilesAreCountedByExperiment) {
  auto uses = kept_use(paths);
  ASSERT_EQ(uses.size(), 2u) << "empty folders are nothing";
  EXPECT_EQ(uses[0].id, (ExperimentId{7, 0}));
  EXPECT_EQ(uses[0].files, 2u);
  for (auto bytes : {uses[0].outputs, uses[0].checkpoints, uses[0].logs, uses[1].outputs}) {
    EXPECT_GE(bytes, 100'000u);
    EXPECT_LT(bytes, 120'000u);
  }
  EXPECT_EQ(uses[1].id, (ExperimentId{9, 2}));
  EXPECT_EQ(uses[1].files, 2u);
  auto read = parse_kept(kept_text(uses));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, uses);
  EXPECT_FALSE(parse_kept(kept_text(uses) + "x"));
  EXPECT_FALSE(parse_kept("nonsense"));
  EXPECT_TRUE(parse_kept("")->empty());
}

TEST_F(KeeperTasks, OutputsLeaveInOneStep) {
  auto freed = drop_outputs(paths, {7, 0});
  ASSERT_TRUE(freed) << to_string(freed.error());
  EXPECT_GE(*freed, 200'000u);
  EXPECT_FALSE(fs::exists(paths.output({7, 0})));
  EXPECT_TRUE(fs::exists(dir.path() + "/logs/7.worker.0/0")) << "logs are no outputs";
  EXPECT_EQ(*drop_outputs(paths, {7, 0}), 0u);
  EXPECT_TRUE(drop_outputs(paths, {9, 2}));
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST_F(KeeperTasks, ARemovalThatBrokeOffIsFinished) {
  fs::create_directories(paths.outputs + "/.going");
  fs::rename(paths.output({7, 0}), paths.outputs + "/.going/7");
  EXPECT_EQ(kept_use(paths).size(), 2u) << "its log is there";
  EXPECT_EQ(kept_use(paths).front().files, 0u);
  EXPECT_FALSE(fs::exists(paths.outputs + "/.going"));
}

TEST_F(KeeperTasks, OneFolderIsOnePlace) {
  WorkerPaths neighbour{dir.path() + "/other", paths.outputs};
  WorkerPaths stranger{dir.path(), dir.path() + "/logs"};
  EXPECT_EQ(outputs_place(paths), outputs_place(neighbour));
  EXPECT_NE(outputs_place(paths), outputs_place(stranger));
}

TEST_F(KeeperTasks, WhatIsNoVersionIsRefused) {
  EXPECT_EQ(verify_version(paths, "../../etc").error().code, Errc::invalid);
  EXPECT_EQ(verify_version(paths, std::string(64, 'a')).error().code, Errc::not_found);
}

}  // namespace
}  // namespace troupe::actors
