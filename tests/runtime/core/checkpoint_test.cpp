#include "runtime/core/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CheckpointMark mark(const std::string& name, uint64_t epoch, int64_t made_us,
                    std::optional<double> value = std::nullopt) {
  return {name, epoch, 1, Timestamp{made_us}, "n1", value, {}};
}

TEST(Checkpoint, WhatIsBeingWrittenIsNone) {
  for (const char* name : {"step-10", "model.pt", "latest", "checkpoint-500", "tmpfs", "\xc3\xa9"})
    EXPECT_TRUE(is_checkpoint_name(name)) << name;
  for (const char* name :
       {"", ".", "..", ".hidden", "tmp", "tmp-checkpoint-500", "tmp_5", "tmp.x", "a.tmp", "a.temp",
        "a.part", "a.partial", "a~", "a.tmp.1234", "a\nb", "\xff", "\xc3"})
    EXPECT_FALSE(is_checkpoint_name(name)) << name;
  EXPECT_FALSE(is_checkpoint_name(std::string(256, 'a')));
}

TEST(Checkpoint, ItsStepIsTheLastNumberInItsName) {
  EXPECT_EQ(checkpoint_step("step-500.pt"), 500u);
  EXPECT_EQ(checkpoint_step("run2-epoch07"), 7u);
  EXPECT_EQ(checkpoint_step("latest"), std::nullopt);
  EXPECT_EQ(checkpoint_step("99999999999999999999999"), std::nullopt);
  EXPECT_EQ(checkpoints_name({42, 7}), "42.7/checkpoints");
}

TEST(Checkpoint, AnEpochCountsMoreThanAClock) {
  EXPECT_TRUE(is_newer(mark("a", 2, 10), mark("b", 1, 99)));
  EXPECT_TRUE(is_newer(mark("a", 1, 11), mark("b", 1, 10)));
  EXPECT_FALSE(is_newer(mark("a", 1, 10), mark("a", 1, 10)));
  EXPECT_TRUE(is_same(mark("a", 1, 10, 0.5), mark("a", 1, 10)));
  EXPECT_FALSE(is_same(mark("a", 1, 10), mark("a", 1, 11)));
}

TEST(Checkpoint, TheNewestAndTheBestAreKept) {
  std::vector<CheckpointMark> marks{mark("1", 1, 1, 0.9), mark("2", 1, 2, 0.1),
                                    mark("3", 1, 3, NAN), mark("4", 1, 4), mark("5", 2, 1, 0.9)};
  EXPECT_THAT(checkpoints_to_keep(marks, 2, 0, true), ElementsAre(3, 4));
  // Of two that are equal the newer, which is kept anyway.
  EXPECT_THAT(checkpoints_to_keep(marks, 2, 1, true), ElementsAre(3, 4));
  EXPECT_THAT(checkpoints_to_keep(marks, 2, 2, true), ElementsAre(0, 3, 4));
  EXPECT_THAT(checkpoints_to_keep(marks, 1, 1, false), ElementsAre(1, 4));
  EXPECT_THAT(checkpoints_to_keep(marks, 0, 9, false), ElementsAre(0, 1, 4));
  EXPECT_THAT(checkpoints_to_keep({}, 2, 2, true), IsEmpty());
}

}  // namespace
}  // namespace troupe
