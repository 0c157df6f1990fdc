// Packing: every byte comes back, little room is lost, and what did not change does not move.
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <unistd.h>

namespace troupe::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint8_t small = 4;  // blocks of 64 KiB
constexpr size_t small_bytes = 64u << 10;

TEST(Packer, EveryByteComesBack) {
  for (uint8_t log2 : {uint8_t{0}, small, limits::block_log2_default}) {
    auto files = odd_files(size_t{limits::page_bytes} << log2);
    MemoryBlocks sink;
    auto manifest = pack(files, sink, {.block_log2 = log2, .former = nullptr});
    EXPECT_EQ(manifest.file_count(), files.size());
    EXPECT_EQ(manifest.blocks.size(), sink.blocks.size());
    for (const auto& [path, bytes] : files) {
      const auto* entry = manifest.find(path);
      ASSERT_NE(entry, nullptr) << path;
      EXPECT_EQ(bytes_in(manifest, entry->content, sink.blocks), bytes) << path;
      EXPECT_EQ(entry->executable, path == "run.sh");
    }
    EXPECT_TRUE(manifest.find("deep/er/est")->is_directory);
    const auto& same = manifest.find("same")->content;
    EXPECT_EQ(same.first_piece + manifest.piece_count(same),
              manifest.find("same-large")->content.first_piece)
        << "files are in the order of their paths";
  }
}

TEST(Packer, TheSameBytesLieOnce) {
  MemoryBlocks sink;
  auto bytes = random_text(1, 3 * small_bytes + 100);
  auto manifest = pack({{"a", bytes}, {"b", bytes}, {"c", bytes.substr(0, small_bytes)}}, sink,
                       {.block_log2 = small, .former = nullptr});
  EXPECT_EQ(manifest.payload_bytes(), 3 * small_bytes + limits::page_bytes);
  EXPECT_EQ(manifest.find("a")->content.id, manifest.find("b")->content.id);
}

TEST(Packer, BehindAFileThereAreZerosToTheEndOfThePage) {
  MemoryBlocks sink;
  std::string a(3000, 'a'), b(5000, 'b');
  pack({{"a", a}, {"b", b}}, sink);
  ASSERT_EQ(sink.blocks.size(), 1u);
  EXPECT_EQ(sink.blocks.begin()->second,
            a + std::string(1096, '\0') + b + std::string(8192 - 5000, '\0'));
}

TEST(Packer, SmallFilesLieCloselyTogether) {
  MemoryBlocks sink;
  std::string most(limits::tight_bytes_max, 'b');
  auto manifest = pack({{"a", "aaa"}, {"b", most}, {"c", "c"}, {"d", most + "d"}}, sink);
  ASSERT_EQ(sink.blocks.size(), 2u) << "apart from files that have pages of their own";
  EXPECT_EQ(
      sink.blocks.at(manifest.blocks[0].id),
      "aaa" + std::string(5, '\0') + most + "c" + std::string(4096 - 8 - most.size() - 1, '\0'));
  Files files;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    files[std::to_string(i)] = random_text(i, 200 + i % 150);
    bytes += 200 + i % 150;
  }
  MemoryBlocks many;
  auto packed = pack(files, many);
  EXPECT_LE(packed.payload_bytes() + packed.blocks.size() * 4096, bytes * 103 / 100);
}

TEST(Packer, LosesLittleToTheEndsOfBlocks) {
  // Only the rounding to pages is to be lost; the rest is at most 1 %.
  Files files;
  uint64_t rounded = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    auto size = 4000 + (i * 7919) % 60'000;
    files[std::to_string(i)] = random_text(i, size);
    rounded += (size + 4095) / 4096 * 4096;
  }
  MemoryBlocks sink;
  auto manifest = pack(files, sink);
  EXPECT_LE(manifest.payload_bytes(), rounded);
  EXPECT_LE(manifest.payload_bytes() + manifest.blocks.size() * 4096, rounded * 101 / 100);
}

TEST(Packer, TheOrderDoesNotChangeATreeOfOneBlockAndNeverTheTree) {
  MemoryBlocks one, other;
  Packer a{{}, one}, b{{}, other};
  for (auto name : {"x", "y", "z"}) {
    ASSERT_TRUE(a.begin_file(name, false));
    ASSERT_TRUE(a.write(name));
    ASSERT_TRUE(a.end_file());
  }
  for (auto name : {"z", "x", "y"}) {
    ASSERT_TRUE(b.begin_file(name, false));
    ASSERT_TRUE(b.write(name));
    ASSERT_TRUE(b.end_file());
  }
  auto first = *a.finish(), second = *b.finish();
  EXPECT_EQ(tree_id(first), tree_id(second));
  MemoryBlocks again;
  EXPECT_EQ(version_id(pack({{"x", "x"}, {"y", "y"}, {"z", "z"}}, again)), version_id(first));
}

TEST(Packer, AChangedTreeMovesOnlyWhatChanged) {
  auto files = odd_files(small_bytes);
  MemoryBlocks sink;
  auto former = pack(files, sink, {.block_log2 = small, .former = nullptr});
  MemoryBlocks same;
  EXPECT_EQ(version_id(pack(files, same, {.block_log2 = small, .former = &former})),
            version_id(former));
  EXPECT_THAT(same.blocks, IsEmpty());

  auto renamed = files.extract("many/7");
  renamed.key() = "moved";
  files.insert(std::move(renamed));
  files["new"] = "new";
  auto& large = files["sizes/" + std::to_string(3 * small_bytes)];
  large[small_bytes + 17] ^= 1;  // in its second piece
  MemoryBlocks changed;
  auto next = pack(files, changed, {.block_log2 = small, .former = &former});
  uint64_t moved = 0;
  for (const auto& [id, payload] : changed.blocks) moved += payload.size();
  EXPECT_EQ(moved, small_bytes + limits::page_bytes) << "the piece, and a page for the new file";
  auto all = sink.blocks;
  all.merge(changed.blocks);
  for (const auto& [path, bytes] : files)
    EXPECT_EQ(bytes_in(next, next.find(path)->content, all), bytes) << path;
  EXPECT_THAT(
      differences(former, next),
      ElementsAre(Difference{Change::removed, "many/7", 49, 0},
                  Difference{Change::added, "moved", 0, 49}, Difference{Change::added, "new", 0, 3},
                  Difference{Change::changed, "sizes/196608", 196608, 196608}));
}

TEST(Packer, WhatIsPackedAgainUnchangedStaysWhereItIs) {
  MemoryBlocks blocks;
  Files files{{"a.csv", "1,2\n"}, {"b.sh", "#!/bin/sh\n"}, {"large", random_text(1, 5'000'000)}};
  auto former = pack(files, blocks);
  PackOptions options;
  options.former = &former;
  MemoryBlocks none;
  Packer packer{options, none};
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(packer.begin_file(path, path.ends_with(".sh")));
    ASSERT_TRUE(packer.write(bytes));
    ASSERT_TRUE(packer.end_file());
  }
  EXPECT_TRUE(packer.scattered().empty()) << "their block is half empty, and was so before";
  EXPECT_EQ(*packer.finish(), former);
  EXPECT_TRUE(none.blocks.empty());
}

TEST(Packer, ScatteredFilesCanBePackedAgain) {
  Files files;
  for (int i = 0; i < 160; ++i) files[std::to_string(1000 + i)] = random_text(i, 4000);
  MemoryBlocks sink;
  auto former = pack(files, sink, {.block_log2 = small, .former = nullptr});
  ASSERT_EQ(former.blocks.size(), 10u);
  std::erase_if(files, [](const auto& file) { return std::stoi(file.first) % 4 != 0; });
  MemoryBlocks moved;
  Packer packer{{.block_log2 = small, .former = &former}, moved};
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(packer.begin_file(path, false));
    ASSERT_TRUE(packer.write(bytes));
    ASSERT_TRUE(packer.end_file());
  }
  auto scattered = packer.scattered();
  EXPECT_EQ(scattered.size(), 40u);
  for (const auto& path : scattered) {
    ASSERT_TRUE(packer.pack_again(path));
    ASSERT_TRUE(packer.write(files.at(path)));
    ASSERT_TRUE(packer.end_file());
  }
  EXPECT_TRUE(packer.scattered().empty());
  auto next = *packer.finish();
  EXPECT_EQ(next.payload_bytes(), 40u * 4096);
  for (const auto& [path, bytes] : files)
    EXPECT_EQ(bytes_in(next, next.find(path)->content, moved.blocks), bytes);
  // A version that was tidied up stays as it is.
  Packer same{{.block_log2 = small, .former = &next}, moved};
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(same.begin_file(path, false));
    ASSERT_TRUE(same.write(bytes));
    ASSERT_TRUE(same.end_file());
  }
  EXPECT_TRUE(same.scattered().empty());
  EXPECT_EQ(version_id(*same.finish()), version_id(next));
}

TEST(Packer, RefusesNamesThatClash) {
  MemoryBlocks sink;
  Packer packer{{}, sink};
  ASSERT_TRUE(packer.begin_file("a", false));
  ASSERT_TRUE(packer.end_file());
  EXPECT_EQ(packer.begin_file("a", false).error().code, Errc::conflict);
  EXPECT_EQ(packer.begin_file("a/b", false).error().code, Errc::conflict);
  EXPECT_EQ(packer.add_directory("a").error().code, Errc::conflict);
  ASSERT_TRUE(packer.add_directory("d/e"));
  ASSERT_TRUE(packer.add_directory("d/e"));
  EXPECT_EQ(packer.begin_file("d", false).error().code, Errc::conflict);
  using namespace std::string_view_literals;
  for (auto path : {""sv, "/a"sv, "../a"sv, "x/../y"sv, "x//y"sv, "./x"sv, "x/"sv, "a\nb"sv,
                    "\xff"sv, "\xc0\xaf"sv, "\xed\xa0\x80"sv, "a\0b"sv, "\x7f"sv})
    EXPECT_EQ(packer.begin_file(path, false).error().code, Errc::invalid) << path;
  EXPECT_FALSE(packer.begin_file(std::string(256, 'x'), false));
  EXPECT_FALSE(packer.begin_file(std::string(2050, '/'), false));
  EXPECT_TRUE(packer.begin_file("\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80", false));
  ASSERT_TRUE(packer.end_file());
  auto odd = packer.begin_file("a\nb\xff", false);
  EXPECT_THAT(odd.error().what, HasSubstr("a\\x0ab\\xff"));
}

TEST(BlockStore, KeepsWhatItIsGivenAndRefusesOtherBytes) {
  TempDir dir;
  auto store = *BlockStore::open(dir.path());
  auto bytes = random_text(3, 8192);
  auto id = content_id_of(bytes);
  EXPECT_EQ(store.get(id).error().code, Errc::not_found);
  EXPECT_EQ(store.put(id, bytes.substr(4096)).error().code, Errc::invalid);
  EXPECT_EQ(store.put(content_id_of("abc"), "abc").error().code, Errc::invalid);
  EXPECT_THAT(store.missing({id}), ElementsAre(id));
  EXPECT_FALSE(store.sync({id}));
  ASSERT_TRUE(store.put(id, bytes));
  ASSERT_TRUE(store.put(id, bytes));
  ASSERT_TRUE(store.sync({id}));
  EXPECT_THAT(store.missing({id}), IsEmpty());
  EXPECT_EQ(*store.get(id), bytes);
  std::string part(100, ' ');
  ASSERT_TRUE(store.read(id, 5000, part.data(), part.size()));
  EXPECT_EQ(part, bytes.substr(5000, 100));
  EXPECT_EQ(store.read(id, 8190, part.data(), part.size()).error().code, Errc::corrupt);
  auto left = dir.path() + "/blocks/unfinished/" + to_string(id) + ".7.1";
  ASSERT_TRUE(replace_file(left, "x"));
  ASSERT_TRUE(store.sweep());
  EXPECT_EQ(::access(left.c_str(), F_OK), -1) << "half a block of a process that died";
  size_t count = 0;
  ASSERT_TRUE(store.for_each([&](const ContentId& found, uint64_t size) {
    count += 1;
    EXPECT_EQ(found, id);
    EXPECT_EQ(size, 8192u);
  }));
  EXPECT_EQ(count, 1u);
  ASSERT_TRUE(store.remove(id));
  ASSERT_TRUE(store.remove(id));
  EXPECT_FALSE(store.has(id));
}

}  // namespace
}  // namespace troupe::dataset
