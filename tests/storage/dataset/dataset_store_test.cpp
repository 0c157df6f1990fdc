#include "storage/dataset/dataset_store.hpp"

#include "storage/check_blobs.hpp"
#include "storage/dataset/hurt_files.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <thread>

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
    store.settle(version_id(manifest));
    return manifest;
  }
  size_t blocks_stored() {
    size_t count = 0;
    EXPECT_TRUE(store.blocks().for_each([&](const ContentId&, uint64_t) { ++count; }));
    return count;
  }
  /// Later than all that was stored so far.
  static storage::FileTime now() {
    // tidy: allow sleep: files have the time of the kernel's last tick
    std::this_thread::sleep_for(20ms);
    return std::chrono::system_clock::now();
  }
  DatasetStore::Collected collect(const DatasetStore::Named& named, std::chrono::seconds age = {},
                                  bool dry_run = false) {
    auto done = store.collect(now() - age, dry_run, [&] { return named; });
    EXPECT_TRUE(done) << to_string(done.error());
    return done.value_or({});
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
  auto collected = collect({id});
  EXPECT_EQ(collected.blocks, 0u) << "what it names is not known, so nothing may go";
  EXPECT_THAT(collected.kept, HasSubstr("damaged"));
  EXPECT_EQ(collect({}).blocks, 1u) << "nobody asks for it any more";
}

TEST_F(DatasetStoreTest, CollectsWhatNoVersionNames) {
  Files files{{"same", random_text(1, 2 << 20)}, {"old", random_text(2, 1 << 20)}};
  auto first = version_id(push(files));
  auto former = *store.manifest(first);
  files["old"] = random_text(3, 1 << 20);
  auto manifest = push(files, &former);
  auto second = version_id(manifest);
  EXPECT_EQ(collect({first, second}).bytes, 0u);
  EXPECT_EQ(collect({second}, 1h).bytes, 0u) << "too young: it may belong to a push";
  auto dry = collect({second}, {}, true);
  EXPECT_EQ(dry.bytes, 1u << 20);
  EXPECT_EQ(dry.manifests.size(), 1u);
  EXPECT_TRUE(store.manifest(first)) << "a dry run removes nothing";
  auto done = collect({second});
  EXPECT_EQ(done.bytes, 1u << 20);
  ASSERT_EQ(done.manifests.size(), 1u);
  EXPECT_EQ(done.manifests.front().first, first);
  EXPECT_EQ(blocks_stored(), manifest.blocks.size());
  EXPECT_GT(collect({}).bytes, 0u);
  EXPECT_EQ(blocks_stored(), 0u);
}

TEST_F(DatasetStoreTest, KeepsEverythingWhileAManifestThatHasANameIsMissing) {
  auto id = version_id(push({{"a", "b"}}));
  ASSERT_TRUE(store.remove_manifest(id));
  auto collected = collect({id});
  EXPECT_THAT(collected.kept, HasSubstr("missing"));
  EXPECT_EQ(blocks_stored(), 1u);
}

TEST_F(DatasetStoreTest, WhatAPushWasToldIsHereStays) {
  auto manifest = push_blocks({{"a", random_text(1, 3 << 20)}});
  const auto& blocks = manifest.blocks;
  auto before = now();
  (void)now();
  // Old blocks that nobody has; a push asks for one of them, and brings another once more.
  EXPECT_TRUE(store.blocks().missing({blocks[0].id}).empty());
  ASSERT_TRUE(store.blocks().put(blocks[1].id, *store.blocks().get(blocks[1].id)));
  auto collected = store.collect(before, false, [] { return DatasetStore::Named{}; });
  ASSERT_TRUE(collected);
  EXPECT_EQ(collected->blocks, 1u);
  EXPECT_EQ(store.blocks().missing({blocks[0].id, blocks[1].id, blocks[2].id}),
            std::vector<ContentId>{blocks[2].id});
}

TEST_F(DatasetStoreTest, AVersionOnItsWayToItsNameStays) {
  auto manifest = push_blocks({{"a", random_text(1, 3 << 20)}});
  ASSERT_TRUE(store.put_manifest(manifest_bytes(manifest)));  // and nobody settles it yet
  auto id = version_id(manifest);
  EXPECT_EQ(collect({}).blocks, 0u);
  EXPECT_TRUE(store.manifest(id));
  store.settle(id);
  EXPECT_EQ(collect({id}).blocks, 0u);
  EXPECT_EQ(collect({}).blocks, 3u);
}

TEST_F(DatasetStoreTest, FindsDamageAndMendsIt) {
  auto manifest = push({{"a", random_text(1, 3 << 20)}});
  auto digest = to_string(manifest.blocks[1].id);
  auto good = *store.blocks().get(manifest.blocks[1].id);
  auto path = dir.path() + "/data/blocks/" + digest.substr(0, 2) + "/" + digest;
  std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::fstream{path, std::ios::in | std::ios::out}.seekp(5000).put('!');
  std::atomic<bool> stop{false};
  auto checked = storage::check_blobs(store.blocks().blobs(), stop);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->count, 3u);
  ASSERT_EQ(checked->damage.size(), 1u);
  EXPECT_EQ(checked->damage.front().digest, digest);
  EXPECT_FALSE(store.blocks().blobs().mend(digest, "other"));
  ASSERT_TRUE(store.blocks().blobs().mend(digest, good));
  EXPECT_TRUE(storage::check_blobs(store.blocks().blobs(), stop)->damage.empty());
  // Moved aside it is not here any more, and the next push brings it.
  ASSERT_TRUE(store.set_aside_block(manifest.blocks[1].id));
  EXPECT_EQ(store.blocks().missing({manifest.blocks[1].id}).size(), 1u);
  EXPECT_EQ(store.aside_bytes(), good.size());
  EXPECT_EQ(store.drop_aside(now(), false), good.size());
  EXPECT_EQ(store.aside_bytes(), 0u);
  stop = true;
  EXPECT_EQ(storage::check_blobs(store.blocks().blobs(), stop).error().code, Errc::unavailable);
}

TEST_F(DatasetStoreTest, NamesTheFilesThatLieInABlock) {
  auto manifest = push({{"large", random_text(1, 3 << 20)}, {"small", random_text(2, 9000)}});
  auto large = manifest.find("large")->content;
  auto block = manifest.pieces[large.first_piece + 1].block;
  uint64_t beyond = 9;
  auto bad = [&](uint32_t b) { return b == block; };
  EXPECT_THAT(hurt_files(manifest, bad, 5, beyond), ::testing::ElementsAre("large"));
  EXPECT_EQ(beyond, 0u);
  EXPECT_TRUE(hurt_files(manifest, bad, 0, beyond).empty());
  EXPECT_EQ(beyond, 1u);
}

}  // namespace
}  // namespace troupe::dataset
