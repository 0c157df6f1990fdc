// The record reader: every record is the bytes it was, wherever it lies.
#include "storage/dataset/record_reader.hpp"

#include "storage/dataset/import.hpp"
#include "tests/storage/dataset/sealed_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::dataset {
namespace {

/// Imported from a file, sealed and open.
std::shared_ptr<const SealedFile> sealed(const TempDir& dir, const Files& files,
                                         uint8_t block_log2) {
  auto root = dir.path() + "/source";
  EXPECT_TRUE(make_dirs(root));
  for (const auto& [path, bytes] : files)
    EXPECT_TRUE(replace_file(root + "/" + path, bytes, 0644, false));
  Version version{{}, block_log2};
  auto imported = import_path(root, {.block_log2 = block_log2}, version.sink);
  EXPECT_TRUE(imported) << to_string(imported.error());
  version.manifest = imported->manifest;
  return version.seal_in(dir.path());
}

std::string idx(size_t items, size_t bytes) {
  std::string text{"\0\0\x08\x02", 4};
  for (auto size : {items, bytes})
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift);
  return text + random_text(1, items * bytes);
}

/// visit() and gather() give what get() gives, in the order that was asked for.
void expect_visits(const RecordReader& reader, uint64_t count) {
  std::vector<uint64_t> order;
  for (uint64_t i = 0; i < count; i += 3) order.push_back(count - 1 - i);
  for (size_t some : {size_t{0}, size_t{1}, size_t{11}, order.size()}) {
    some = std::min(some, order.size());
    std::string visited, got;
    for (size_t i = 0; i < some; ++i) got += reader.get(order[i]).bytes();
    reader.visit(order.data(), some, [&](std::string_view record) { visited += record; });
    EXPECT_TRUE(visited == got);
    std::string gathered(got.size(), ' ');
    reader.gather(order.data(), some, gathered.data());
    EXPECT_TRUE(gathered == got);
  }
}

TEST(RecordReader, ItemsOfOneLength) {
  for (size_t bytes : {1u, 4u, 784u, 5000u, 65'536u, 100'000u}) {
    TempDir dir;
    size_t items = 3'000'000 / bytes / (bytes < 10 ? 30 : 1);
    auto source = idx(items, bytes);
    auto file = sealed(dir, {{"x.idx", source}}, 4);
    auto reader = RecordReader::of_table(file, "x.idx");
    ASSERT_TRUE(reader) << to_string(reader.error());
    EXPECT_EQ(reader->size(), items);
    EXPECT_EQ(reader->stride(), bytes);
    size_t copies = 0;
    std::string copy(bytes, ' ');
    for (uint64_t i = 0; i < items; ++i) {
      auto record = reader->get(i);
      reader->prefetch(i);
      ASSERT_TRUE(record.bytes() == std::string_view{source}.substr(12 + i * bytes, bytes)) << i;
      copies += record.is_copy() ? 1 : 0;
      reader->copy(i, copy.data());
      ASSERT_TRUE(copy == record.bytes());
    }
    EXPECT_LE(copies, bytes > 65'536 ? items : source.size() / 65'536)
        << "only what lies over the end of a block is copied";
    uint64_t some[] = {0, items - 1, items / 2};
    reader->will_need(some, 3);
    expect_visits(*reader, items);
    EXPECT_TRUE(reader->populate());
  }
}

TEST(RecordReader, RowsOfText) {
  TempDir dir;
  std::string source = "a,b\r\n";
  std::vector<std::string> rows;
  for (int i = 0; i < 20'000; ++i) {
    rows.push_back(std::to_string(i) + "," + std::string(static_cast<size_t>(i % 50), 'x'));
    source += rows.back() + (i % 7 == 0 ? "\r\n\r\n\n" : "\r\n");
  }
  auto file = sealed(dir, {{"x.csv", source}, {"other", "other"}}, 0);
  auto reader = RecordReader::of_table(file, "x.csv");
  ASSERT_TRUE(reader) << to_string(reader.error());
  ASSERT_EQ(reader->size(), rows.size());
  EXPECT_EQ(reader->stride(), 0u);
  for (uint64_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(reader->get(i).bytes(), rows[i]);
    ASSERT_EQ(reader->record_bytes(i), rows[i].size());
  }
  expect_visits(*reader, rows.size());
  EXPECT_THAT(reader->about(), ::testing::HasSubstr("columns"));
  EXPECT_EQ(RecordReader::of_table(file, "other").error().code, Errc::not_found);
  EXPECT_EQ(RecordReader::of_table(file, "none").error().code, Errc::not_found);
}

TEST(RecordReader, FilesAreRecords) {
  TempDir dir;
  Files files;
  for (int i = 0; i < 300; ++i)
    files["f" + std::to_string(i)] = random_text(static_cast<uint64_t>(i), i * 977u % 150'000);
  Version version{files, 4};
  auto file = version.seal_in(dir.path());
  auto reader = RecordReader::of_files(file);
  ASSERT_TRUE(reader);
  ASSERT_EQ(reader->size(), files.size());
  uint64_t index = 0;
  for (const auto& [path, bytes] : files) {
    EXPECT_EQ(reader->path(index), path);
    auto record = reader->get(index);
    EXPECT_TRUE(record.bytes() == bytes) << path;
    EXPECT_EQ(record.is_copy(), bytes.size() > 65'536);
    reader->prefetch(index);
    ++index;
  }
  expect_visits(*reader, files.size());
  Version tree{{{"a/1", "1"}, {"a/2", ""}, {"ab", "x"}, {"b/3", "3"}}, 4};
  auto other = tree.seal_in(dir.path());
  EXPECT_EQ(RecordReader::of_files(other, "a")->size(), 2u);
  EXPECT_EQ(RecordReader::of_files(other, "a/")->get(1).bytes(), "");
  EXPECT_EQ(RecordReader::of_files(other, "c").error().code, Errc::not_found);
}

TEST(RecordReader, LengthsThatLieAreRefused) {
  TempDir dir;
  Version version{{}, 4};
  Packer packer{{.block_log2 = 4, .former = nullptr}, version.sink};
  ASSERT_TRUE(packer.begin_file("x", false));
  ASSERT_TRUE(packer.write("1234567890"));
  ASSERT_TRUE(packer.end_file(TableDraft{2, 2, 0, {4, 5}, false, "{}"}));
  version.manifest = *packer.finish();
  auto file = version.seal_in(dir.path());
  EXPECT_EQ(RecordReader::of_table(file, "x").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace troupe::dataset
