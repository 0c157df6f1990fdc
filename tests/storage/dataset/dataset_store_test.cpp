#include "storage/dataset/dataset_store.hpp"

#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace troupe::dataset {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class DatasetStoreTest : public ::testing::Test {
 protected:
  /// Packs files and stores their blocks.
  Manifest push_blocks(const Files& files, const Manifest* former = nullptr) {
    StoreSink sink{store.blocks()};
    PackOptions options;
    options.former = former;
    return pack(files, sink, options);
  }
  Manifest push(const Files& files, const Manifest* former = nullptr) {
    auto manifest = push_blocks(files, former);
    auto stored = store.put_manifest(manifest_bytes(manifest));
    EXPECT_TRUE(stored) << to_string(stored.error());
    return manifest;
  }
  size_t blocks_stored() {
    size_t count = 0;
    EXPECT_TRUE(store.blocks().for_each([&](const ContentId&, uint64_t) { ++count; }));
    return count;
  }
  TempDir dir;
  DatasetStore store = *DatasetStore::open(dir.path());
};

TEST_F(DatasetStoreTest, AVersionGoesRound) {
  auto files = odd_files(1 << 20);
  auto manifest = push(files);
  auto reopened = DatasetStore::open(dir.path());
  ASSERT_TRUE(reopened);
  auto read = reopened->manifest(version_id(manifest));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(*read, manifest);
  MemoryBlocks blocks;
  for (const auto& block : manifest.blocks)
    blocks.blocks[block.id] = *reopened->blocks().get(block.id);
  for (const auto& [path, bytes] : files)
    EXPECT_EQ(bytes_in(manifest, manifest.find(path)->content, blocks.blocks), bytes) << path;
}

TEST_F(DatasetStoreTest, TakesNoVersionBeforeAllItsBlocks) {
  auto manifest = push_blocks({{"a", random_text(1, 3 << 20)}});
  ASSERT_TRUE(store.blocks().remove(manifest.blocks[1].id));
  auto early = store.put_manifest(manifest_bytes(manifest));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Errc::conflict);
  EXPECT_THAT(early.error().detail, HasSubstr("1 of its 3 blocks"));
  EXPECT_EQ(store.manifest(version_id(manifest)).error().code, Errc::not_found);
}

TEST_F(DatasetStoreTest, RefusesBytesThatAreNoManifest) {
  EXPECT_EQ(store.put_manifest("garbage").error().code, Errc::invalid);
  EXPECT_EQ(store.put_manifest("").error().code, Errc::invalid);
}

TEST_F(DatasetStoreTest, RefusesABlockWithOtherBytesThanItsName) {
  std::string payload(4096, 'x');
  EXPECT_EQ(store.blocks().put(content_id_of("other"), payload).error().code, Errc::invalid);
  EXPECT_EQ(store.blocks().put(content_id_of("x"), "x").error().code, Errc::invalid);
  EXPECT_EQ(blocks_stored(), 0u);
}

TEST_F(DatasetStoreTest, NoticesADamagedManifest) {
  auto id = version_id(push({{"a", "b"}}));
  auto path = dir.path() + "/data/manifests/" + to_string(id);
  std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::fstream{path, std::ios::in | std::ios::out}.seekp(20).put('!');
  EXPECT_EQ(store.manifest(id).error().code, Errc::corrupt);
  EXPECT_FALSE(store.collect(0s)) << "what it names is not known, so nothing may go";
}

TEST_F(DatasetStoreTest, CollectsWhatNoVersionNames) {
  Files files{{"same", random_text(1, 2 << 20)}, {"old", random_text(2, 1 << 20)}};
  auto first = push(files);
  files["old"] = random_text(3, 1 << 20);
  auto second = push(files, &first);
  EXPECT_EQ(*store.collect(0s), 0u);
  ASSERT_TRUE(store.remove_manifest(version_id(first)));
  EXPECT_EQ(*store.collect(1h), 0u) << "too young: it may belong to a push";
  EXPECT_EQ(*store.collect(0s), 1u << 20);
  EXPECT_EQ(blocks_stored(), second.blocks.size());
  ASSERT_TRUE(store.remove_manifest(version_id(second)));
  EXPECT_GT(*store.collect(0s), 0u);
  EXPECT_EQ(blocks_stored(), 0u);
}

}  // namespace
}  // namespace troupe::dataset
