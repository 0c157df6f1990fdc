// The manifest: one spelling of each, and none that lies.
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <functional>

namespace troupe::dataset {
namespace {

Manifest example() {
  MemoryBlocks sink;
  Packer packer{{.block_log2 = 2, .former = nullptr}, sink};
  auto add = [&](std::string_view path, std::string_view bytes, std::optional<TableDraft> table) {
    EXPECT_TRUE(packer.begin_file(path, false));
    EXPECT_TRUE(packer.write(bytes));
    EXPECT_TRUE(packer.end_file(std::move(table)));
  };
  add("d/rows.csv", "a,b\n1,2\n33,44\n",
      TableDraft{4, 2, 0, {4, 6}, true, R"({"columns":["a","b"],"kind":"csv"})"});
  add("d/items", random_text(5, 16 + 784 * 100), TableDraft{16, 100, 784, {}, false, "{}"});
  add("empty", "", std::nullopt);
  EXPECT_TRUE(packer.add_directory("nothing"));
  auto manifest = packer.finish();
  EXPECT_TRUE(manifest) << to_string(manifest.error());
  return *manifest;
}

TEST(Manifest, GoesRound) {
  auto manifest = example();
  auto bytes = manifest_bytes(manifest);
  auto read = parse_manifest(bytes);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(*read, manifest);
  EXPECT_EQ(manifest_bytes(*read), bytes);
  EXPECT_EQ(version_id(manifest), content_id_of(bytes));
  EXPECT_EQ(read->table_of("d/rows.csv")->count, 2u);
  EXPECT_EQ(read->table_of("empty"), nullptr);
  EXPECT_EQ(read->find("nothing")->is_directory, true);
  EXPECT_EQ(read->find("d/nothing"), nullptr);
}

TEST(Manifest, OfNothingIsGood) {
  MemoryBlocks sink;
  auto manifest = pack({}, sink);
  EXPECT_TRUE(parse_manifest(manifest_bytes(manifest)));
}

TEST(Manifest, TheBytesOfVersion1StayWhatTheyAre) {
  MemoryBlocks sink;
  auto manifest = pack({{"a", "a"}, {"d/run.sh", "b"}}, sink);
  EXPECT_EQ(to_string(version_id(manifest)),
            "9577e2bd155650350f89f59765771b076f7bc55252e84b556926a7fd9b6d8cee");
}

TEST(Manifest, EveryCutAndEveryTailIsRefused) {
  auto bytes = manifest_bytes(example());
  for (size_t length = 0; length < bytes.size(); ++length)
    ASSERT_FALSE(parse_manifest(std::string_view{bytes}.substr(0, length))) << length;
  EXPECT_FALSE(parse_manifest(bytes + '\0'));
}

TEST(Manifest, RefusesWhatIsNotCanonical) {
  using Spoil = std::function<void(Manifest&)>;
  const std::vector<std::pair<std::string, Spoil>> cases{
      {"order", [](Manifest& m) { std::swap(m.entries[0], m.entries[1]); }},
      {"twice", [](Manifest& m) { m.entries[1].path = m.entries[0].path; }},
      {"up", [](Manifest& m) { m.entries.back().path = "zz/../.."; }},
      {"no folder", [](Manifest& m) { m.entries.back().path = "zz/a"; }},
      {"below a file", [](Manifest& m) { m.entries.back().path = "empty/a"; }},
      {"newline", [](Manifest& m) { m.entries.back().path = "z\n"; }},
      {"block", [](Manifest& m) { m.pieces.back().block = 99; }},
      {"page", [](Manifest& m) { m.pieces.back().offset = UINT32_MAX - 7; }},
      {"block order",
       [](Manifest& m) {
         std::swap(m.blocks[0], m.blocks[1]);
         std::swap(m.pieces[0], m.pieces[1]);
         m.pieces[0].block = 5;
       }},
      {"unused block",
       [](Manifest& m) {
         m.blocks.push_back({content_id_of("x"), 1});
       }},
      {"block twice", [](Manifest& m) { m.blocks.back().id = m.blocks.front().id; }},
      {"block of nothing", [](Manifest& m) { m.blocks.back().pages = 0; }},
      {"block too large", [](Manifest& m) { m.blocks.back().pages = 5; }},
      {"size", [](Manifest& m) { m.entries[1].content.size = UINT64_MAX; }},
      {"size by a piece", [](Manifest& m) { m.entries[1].content.size += 16384; }},
      {"size to nothing", [](Manifest& m) { m.entries[1].content.size = 0; }},
      {"empty with a digest", [](Manifest& m) { m.entries[3].content.id = content_id_of("x"); }},
      {"table of a folder", [](Manifest& m) { m.tables[0].entry = 0; }},
      {"table of none", [](Manifest& m) { m.tables[1].entry = 77; }},
      {"tables order", [](Manifest& m) { std::swap(m.tables[0], m.tables[1]); }},
      {"table count", [](Manifest& m) { m.tables[0].count = 101; }},
      {"table overflow", [](Manifest& m) { m.tables[0].count = UINT64_MAX / 2; }},
      {"table first", [](Manifest& m) { m.tables[0].first = UINT64_MAX; }},
      {"table lengths", [](Manifest& m) { m.tables[1].count = 3; }},
      {"table stride", [](Manifest& m) { m.tables[0].stride = UINT64_MAX; }},
      {"log2", [](Manifest& m) { m.block_log2 = 15; }},
  };
  ASSERT_TRUE(check_manifest(example()));
  for (const auto& [name, spoil] : cases) {
    auto manifest = example();
    spoil(manifest);
    EXPECT_FALSE(check_manifest(manifest)) << name;
    EXPECT_FALSE(parse_manifest(manifest_bytes(manifest))) << name;
  }
}

}  // namespace
}  // namespace troupe::dataset
