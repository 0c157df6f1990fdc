// Blocks made again out of files are the blocks that packing handed out, or an error.
#include "storage/dataset/folder_blocks.hpp"

#include "runtime/core/fd.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void write_tree(const std::string& root, const Files& files) {
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(make_dirs(fs::path{root + "/" + path}.parent_path()));
    ASSERT_TRUE(replace_file(root + "/" + path, bytes, path.ends_with(".sh") ? 0755 : 0644, false));
  }
}

TEST(FolderBlocks, AreThoseThatPackingHandedOut) {
  TempDir dir;
  auto files = odd_files(1u << 20);
  std::string rows = "day,price\n", lines;
  for (int i = 0; i < 400'000; ++i) {
    rows += std::to_string(i) + "," + std::to_string(i * 7 % 1000) + "\n";
    lines += "{\"a\":" + std::to_string(i) + "}\n";
  }
  files["tables/rows.csv"] = rows;
  files["tables/lines.jsonl"] = lines;
  write_tree(dir.path(), files);
  MemoryBlocks sink;
  auto imported = import_path(dir.path(), {}, sink);
  ASSERT_TRUE(imported) << to_string(imported.error());
  auto packed = FolderBlocks::pack(dir.path());
  ASSERT_TRUE(packed) << to_string(packed.error());
  EXPECT_EQ((**packed).manifest(), imported->manifest);
  EXPECT_EQ((**packed).manifest().tables.size(), 2u);
  for (const auto& [id, payload] : sink.blocks) {
    auto block = (**packed).block(id);
    ASSERT_TRUE(block) << to_string(block.error());
    EXPECT_TRUE(*block == payload);
  }
  EXPECT_EQ((**packed).block(content_id_of("none of them")).error().code, Errc::not_found);
}

TEST(FolderBlocks, FilesThatChangedSinceAreNoBlocks) {
  for (const std::string& now : {std::string{"ACB"}, std::string{"A"}, std::string{}}) {
    TempDir dir;
    write_tree(dir.path(), {{"a", "ABC"}, {"b", "b"}});
    auto packed = FolderBlocks::pack(dir.path());
    ASSERT_TRUE(packed);
    auto id = (**packed).manifest().blocks.at(0).id;
    EXPECT_TRUE((**packed).block(id));
    write_tree(dir.path(), {{"a", now}});
    EXPECT_EQ((**packed).block(id).error().code, Errc::conflict);
    fs::remove(dir.path() + "/a");
    EXPECT_FALSE((**packed).block(id));
    // What lies in the place of a folder or file is not followed out of it.
    fs::create_symlink("/etc/passwd", dir.path() + "/a");
    EXPECT_FALSE((**packed).block(id));
  }
}

TEST(FolderBlocks, LinksAreLeftOutAndNamed) {
  TempDir dir;
  write_tree(dir.path(), {{"step-2/model", "bytes"}});
  fs::create_symlink("step-2", dir.path() + "/latest");
  auto packed = FolderBlocks::pack(dir.path());
  ASSERT_TRUE(packed) << to_string(packed.error());
  EXPECT_EQ((**packed).manifest().file_count(), 1u);
  EXPECT_THAT((**packed).notes(), ElementsAre(HasSubstr("latest")));
  EXPECT_FALSE(FolderBlocks::pack(dir.path() + "/missing"));
}

}  // namespace
}  // namespace troupe::dataset
