#include "runtime/core/dataset.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(DatasetRef, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*parse_dataset_ref("digits"), (DatasetRef{"digits", "", {}}));
  EXPECT_EQ(*parse_dataset_ref("digits:3"), (DatasetRef{"digits", "3", {}}));
  EXPECT_EQ(*parse_dataset_ref("a.b_c-1:clean"), (DatasetRef{"a.b_c-1", "clean", {}}));
  EXPECT_EQ(*parse_dataset_ref("41/out"), (DatasetRef{"", "", ExperimentId{41, 0}}));
  EXPECT_EQ(*parse_dataset_ref("41.7/out"), (DatasetRef{"", "", ExperimentId{41, 7}}));
  for (const auto* text : {"digits", "digits:3", "digits:clean", "41.7/out"})
    EXPECT_EQ(to_string(*parse_dataset_ref(text)), text);
}

TEST(DatasetRef, HasANameToMountItUnder) {
  EXPECT_EQ(parse_dataset_ref("digits:3")->default_mount(), "digits");
  EXPECT_EQ(parse_dataset_ref("41.7/out")->default_mount(), "out-41.7");
}

TEST(DatasetRef, RefusesWhatIsNoName) {
  for (const auto* text :
       {"", ":3", "../etc", "a/b", "digits:", "digits:03", "digits:0", "digits:99999999999",
        "digits:3:4", "digits:a b", ".hidden", "-x", "a\n", "41/outs", "x/out", "/out"}) {
    auto ref = parse_dataset_ref(text);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().code, Errc::invalid) << text;
    EXPECT_FALSE(ref.error().hint.empty()) << text;
  }
  EXPECT_FALSE(parse_dataset_ref(std::string(101, 'a')));
  EXPECT_TRUE(parse_dataset_ref(std::string(100, 'a')));
}

TEST(DatasetTag, IsNoNumber) {
  EXPECT_TRUE(check_dataset_tag("v1"));
  EXPECT_FALSE(check_dataset_tag("1"));
  EXPECT_FALSE(check_dataset_tag(""));
}

}  // namespace
}  // namespace troupe
