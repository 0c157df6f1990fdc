// Trees of several machines as one: everything of all, once, and nothing that does not fit.
#include "storage/dataset/merge_manifests.hpp"

#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> paths_of(const Manifest& manifest) {
  std::vector<std::string> paths;
  for (const auto& entry : manifest.entries) paths.push_back(entry.path);
  return paths;
}

TEST(MergeManifests, HasAllFilesOfAllAndBlocksOnce) {
  MemoryBlocks sink, other;
  auto large = random_text(3, 3'000'000);
  auto one = pack({{"s/rank-0", large}, {"s/same", "equal"}}, sink);
  auto two = pack({{"s/rank-1", "small"}, {"s/rank-2", large}, {"s/same", "equal"}}, other);
  auto whole = merge_manifests({one, two});
  ASSERT_TRUE(whole) << to_string(whole.error());
  EXPECT_THAT(paths_of(*whole), ElementsAre("s", "s/rank-0", "s/rank-1", "s/rank-2", "s/same"));
  EXPECT_TRUE(parse_manifest(manifest_bytes(*whole)));
  EXPECT_EQ(whole->find("s/rank-0")->content.id, whole->find("s/rank-2")->content.id);
  EXPECT_LT(whole->payload_bytes(), one.payload_bytes() + two.payload_bytes());
}

TEST(MergeManifests, OfOneIsThatOne) {
  MemoryBlocks sink;
  auto one = pack({{"a", "a"}, {"d/b", "b"}, {"empty", ""}}, sink);
  EXPECT_EQ(*merge_manifests({one}), one);
}

TEST(MergeManifests, NamesTheFileThatTwoHaveDifferently) {
  MemoryBlocks sinks[4];
  auto refused = merge_manifests({pack({{"s/x", "1"}}, sinks[0]), pack({{"s/x", "2"}}, sinks[1])});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("s/x"));
  EXPECT_FALSE(merge_manifests({pack({{"s", "1"}}, sinks[2]), pack({{"s/x", "2"}}, sinks[3])}))
      << "a file in one, a folder in the other";
}

}  // namespace
}  // namespace troupe::dataset
