// Importers: what is good comes in as it is, and nothing else comes in.
#include "storage/dataset/import.hpp"

#include "tests/storage/dataset/archives.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace troupe::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void write_files(const std::string& root, const Files& files) {
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(make_dirs(fs::path{root + "/" + path}.parent_path()));
    ASSERT_TRUE(replace_file(root + "/" + path, bytes, path.ends_with(".sh") ? 0755 : 0644, false));
  }
}

Imported import_good(const std::string& path, BlockSink& sink, ImportOptions options = {}) {
  auto imported = import_path(path, options, sink);
  EXPECT_TRUE(imported) << to_string(imported.error());
  return imported ? std::move(*imported) : Imported{};
}

Error import_bad(const std::string& path) {
  MemoryBlocks sink;
  auto imported = import_path(path, {}, sink);
  EXPECT_FALSE(imported);
  auto error = imported ? Error{} : imported.error();
  EXPECT_FALSE(error.what.empty() || error.detail.empty() || error.hint.empty());
  return error;
}

void expect_files(const Manifest& manifest, const MemoryBlocks& sink, const Files& files) {
  EXPECT_EQ(manifest.file_count(), files.size());
  for (const auto& [path, bytes] : files) {
    const auto* entry = manifest.find(path);
    ASSERT_NE(entry, nullptr) << path;
    EXPECT_TRUE(bytes_in(manifest, entry->content, sink.blocks) == bytes) << path;
    EXPECT_EQ(entry->executable, path.ends_with(".sh")) << path;
  }
}

/// The records of a file as a reader would see them.
std::vector<std::string> records_of(const Imported& imported, const MemoryBlocks& sink,
                                    const std::string& path) {
  const auto& manifest = imported.manifest;
  const auto* table = manifest.table_of(path);
  if (table == nullptr) return {"no table"};
  auto bytes = bytes_in(manifest, manifest.entries[table->entry].content, sink.blocks);
  auto lengths = bytes_in(manifest, table->lengths, sink.blocks);
  std::vector<std::string> records;
  auto at = table->first;
  for (uint64_t i = 0; i < table->count; ++i) {
    uint32_t length = static_cast<uint32_t>(table->stride);
    if (table->stride == 0) std::memcpy(&length, lengths.data() + 4 * i, 4);
    auto record = bytes.substr(at, length);
    at += length;
    while (table->trim && !record.empty() && (record.back() == '\n' || record.back() == '\r'))
      record.pop_back();
    records.push_back(record);
  }
  return records;
}

TEST(ImportFolder, TakesTheTreeAsItIs) {
  TempDir dir;
  auto files = odd_files(1u << 20);
  write_files(dir.path(), files);
  ASSERT_TRUE(make_dirs(dir.path() + "/nothing/at/all"));
  MemoryBlocks sink;
  auto imported = import_good(dir.path(), sink);
  expect_files(imported.manifest, sink, files);
  ASSERT_NE(imported.manifest.find("nothing/at/all"), nullptr);
  EXPECT_EQ(imported.stats.files, files.size());
  EXPECT_THAT(imported.notes, IsEmpty());
  MemoryBlocks again;
  EXPECT_EQ(version_id(import_good(dir.path(), again).manifest), version_id(imported.manifest));

  // Pushed again after a change: only that moves, and deleted files leave no holes for long.
  files["many/3"] = "changed";
  std::erase_if(files, [](const auto& file) { return file.first.starts_with("sizes/4"); });
  ASSERT_TRUE(remove_tree(dir.path()));
  write_files(dir.path(), files);
  MemoryBlocks next;
  auto changed = import_good(dir.path(), next, {.former = &imported.manifest});
  uint64_t moved = 0;
  for (const auto& [id, payload] : next.blocks) moved += payload.size();
  EXPECT_LE(moved, 8192u);
  EXPECT_EQ(changed.stats.new_bytes, moved);
  EXPECT_EQ(changed.stats.new_bytes + changed.stats.kept_bytes, changed.manifest.payload_bytes());
  next.blocks.insert(sink.blocks.begin(), sink.blocks.end());
  expect_files(changed.manifest, next, files);
}

TEST(ImportFolder, ReadsFilesOfScatteredBlocksAgain) {
  TempDir dir;
  Files files;
  for (int i = 0; i < 160; ++i) files[std::to_string(1000 + i)] = random_text(i, 4000);
  write_files(dir.path(), files);
  MemoryBlocks first, second;
  auto former = import_good(dir.path(), first, {.block_log2 = 4});
  std::erase_if(files, [](const auto& file) { return std::stoi(file.first) % 4 != 0; });
  for (int i = 0; i < 160; ++i)
    if (i % 4 != 0) fs::remove(dir.path() + "/" + std::to_string(1000 + i));
  auto next = import_good(dir.path(), second, {.block_log2 = 4, .former = &former.manifest});
  EXPECT_EQ(next.manifest.payload_bytes(), 40u * 4096);
  expect_files(next.manifest, second, files);
}

TEST(ImportFolder, RefusesWhatIsNoFile) {
  TempDir dir;
  auto with = [&](const std::string& name, auto&& make) {
    auto root = dir.path() + "/" + name;
    EXPECT_TRUE(make_dirs(root));
    make(root);
    return import_bad(root);
  };
  auto link = with("link", [](auto root) { fs::create_symlink("/etc/passwd", root + "/l"); });
  EXPECT_EQ(link.code, Errc::invalid);
  EXPECT_THAT(link.detail, HasSubstr("link"));
  with("folder-link", [](auto root) { fs::create_directory_symlink("/etc", root + "/l"); });
  auto pipe = with("pipe", [](auto root) { ASSERT_EQ(::mkfifo((root + "/p").c_str(), 0600), 0); });
  EXPECT_THAT(pipe.detail, HasSubstr("pipe"));
  with("socket", [](auto root) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/s", root.c_str());
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
  });
  auto newline = with("newline", [](auto root) { ASSERT_TRUE(replace_file(root + "/a\nb", "")); });
  EXPECT_THAT(newline.what, HasSubstr("a\\x0ab"));
  with("utf8", [](auto root) { ASSERT_TRUE(replace_file(root + "/\xff", "")); });
  EXPECT_EQ(import_bad(dir.path() + "/none").code, Errc::not_found);
  EXPECT_EQ(import_bad("/dev/zero").code, Errc::invalid);
}

TEST(ImportFolder, NoticesAFileThatChangesWhileItIsRead) {
  TempDir dir;
  for (std::string how : {"grows", "shrinks", "changes"}) {
    auto path = dir.path() + "/" + how;
    ASSERT_TRUE(replace_file(path, random_text(1, 12u << 20)));
    MemoryBlocks sink;
    ImportOptions options;
    bool done = false;
    options.progress = [&](uint64_t, uint64_t) {
      if (std::exchange(done, true)) return true;
      if (how == "shrinks") {
        fs::resize_file(path, 9u << 20);
      } else {
        std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(0, how == "grows" ? std::ios::end : std::ios::beg);
        file << "more";
      }
      return true;
    };
    auto imported = import_path(path, options, sink);
    ASSERT_FALSE(imported) << how;
    EXPECT_EQ(imported.error().code, Errc::conflict);
    EXPECT_THAT(imported.error().what, HasSubstr("changed while it was read"));
  }
  ImportOptions stop;
  stop.progress = [](uint64_t, uint64_t) { return false; };
  MemoryBlocks sink;
  EXPECT_EQ(import_path(dir.path() + "/grows", stop, sink).error().code, Errc::conflict);
}

TEST(ImportArchive, TarAndZipHoldTheSameTree) {
  TempDir dir;
  auto files = odd_files(64u << 10);
  files["\xc3\xa4/\xe2\x82\xac"] = "names";
  files[std::string(200, 'l') + "/" + std::string(200, 'm')] = "long";
  std::string tree;
  for (std::string name : {"a.tar", "a.tar.gz", "a.tar.zst", "a.tar.xz", "a.zip"}) {
    ArchiveWriter archive{dir.path() + "/" + name};
    for (const auto& [path, bytes] : files)
      archive.file((name == "a.tar" ? "./" : "") + path, bytes, path.ends_with(".sh"));
    archive.folder("nothing/");
    archive.close();
    MemoryBlocks sink;
    auto imported = import_good(dir.path() + "/" + name, sink);
    expect_files(imported.manifest, sink, files);
    EXPECT_NE(imported.manifest.find("nothing"), nullptr);
    auto id = to_string(tree_id(imported.manifest));
    EXPECT_EQ(tree.empty() ? id : tree, id) << name;
    tree = id;
  }
}

TEST(ImportArchive, RefusesEveryWayOut) {
  TempDir dir;
  auto path = dir.path() + "/a.tar";
  auto with = [&](auto&& add) {
    ArchiveWriter archive{path};
    archive.file("good", "good", false);
    add(archive);
    archive.close();
    auto error = import_bad(path);
    EXPECT_THAT(error.what, HasSubstr("a.tar"));
    return error;
  };
  const std::string long_name(300, 'x');
  for (std::string name : {"../up", "/etc/passwd", "a/../../b", "a//b", "a/./b", "a\nb", "a\x01",
                           "..", long_name.c_str()})
    EXPECT_EQ(with([&](auto& a) { a.file(name, "x", false); }).code, Errc::invalid) << name;
  EXPECT_THAT(with([](auto& a) { a.link("l", "/etc/passwd"); }).detail, HasSubstr("link"));
  EXPECT_THAT(with([](auto& a) { a.hard_link("l", "good"); }).detail, HasSubstr("link"));
  EXPECT_THAT(with([](auto& a) { a.device("d"); }).detail, HasSubstr("device"));
  EXPECT_EQ(with([](auto& a) { a.folder("../d"); }).code, Errc::invalid);
}

TEST(ImportArchive, RefusesNamesThatAreThereTwiceAndWhatIsNotWhole) {
  TempDir dir;
  for (std::string name : {"a.tar", "a.zip"}) {
    auto path = dir.path() + "/" + name;
    ArchiveWriter archive{path};
    archive.file("a", "1", false);
    archive.file("a", "2", false);
    archive.close();
    EXPECT_EQ(import_bad(path).code, Errc::conflict) << name;
  }
  auto path = dir.path() + "/b.tar.gz";
  ArchiveWriter archive{path};
  archive.file("a", random_text(1, 500'000), false);
  archive.close();
  auto whole = *read_file(path);
  for (size_t bytes : {whole.size() / 2, size_t{100}, size_t{5}}) {
    ASSERT_TRUE(replace_file(path, whole.substr(0, bytes)));
    EXPECT_EQ(import_bad(path).code, Errc::invalid) << bytes;
  }
  ASSERT_TRUE(replace_file(path, "no archive at all"));
  EXPECT_EQ(import_bad(path).code, Errc::invalid);
}

TEST(ImportArchive, StopsAtABomb) {
  TempDir dir;
  auto path = dir.path() + "/bomb.tar.zst";
  ArchiveWriter archive{path};
  archive.file("zeros", std::string(1'100u << 20, '\0'), false);
  archive.close();
  ASSERT_LT(fs::file_size(path), 1u << 20);
  auto error = import_bad(path);
  EXPECT_EQ(error.code, Errc::refused);
  EXPECT_THAT(error.detail, HasSubstr("1 GiB"));
}

TEST(ImportRecords, RowsOfText) {
  struct Case {
    std::string name, bytes, about;
    std::vector<std::string> rows;
  };
  const std::vector<Case> cases{
      {"a.csv",
       "id,name\n1,a\n2,b\n",
       R"({"columns":["id","name"],"kind":"csv","separator":","})",
       {"1,a", "2,b"}},
      {"a.csv", "1,2\n3,4", R"({"kind":"csv","separator":","})", {"1,2", "3,4"}},
      {"A.CSV",
       "\xef\xbb\xbf\r\n\"a \"\"b\"\"\",c\r\n\"x\ny\",2\r\n\r\n\r\n3,4\r\n\r\n",
       R"({"columns":["a \"b\"","c"],"kind":"csv","separator":","})",
       {"\"x\ny\",2", "3,4"}},
      {"a.csv", "a;b\n1,5;2\n", R"({"columns":["a","b"],"kind":"csv","separator":";"})", {"1,5;2"}},
      {"a.tsv",
       "a\tb,c\n1\t2\n",
       R"({"columns":["a","b,c"],"kind":"csv","separator":"\t"})",
       {"1\t2"}},
      {"a.csv", "a,a\n1,2\n", R"({"kind":"csv","separator":","})", {"a,a", "1,2"}},
      {"a.csv", "a,b\n", R"({"columns":["a","b"],"kind":"csv","separator":","})", {}},
      {"a.jsonl",
       "\n{\"a\":1}\n[2]\n\n{\"b\":\"x\"}",
       R"({"kind":"jsonl"})",
       {"{\"a\":1}", "[2]", "{\"b\":\"x\"}"}},
      {"a.ndjson", "{}\r\n{}\r\n", R"({"kind":"jsonl"})", {"{}", "{}"}},
  };
  TempDir dir;
  for (const auto& c : cases) {
    auto path = dir.path() + "/" + c.name;
    ASSERT_TRUE(replace_file(path, c.bytes));
    MemoryBlocks sink;
    auto imported = import_good(path, sink);
    ASSERT_THAT(imported.notes, IsEmpty()) << c.bytes;
    EXPECT_EQ(records_of(imported, sink, c.name), c.rows) << c.bytes;
    EXPECT_EQ(imported.manifest.tables.at(0).about, c.about) << c.bytes;
    EXPECT_EQ(bytes_in(imported.manifest, imported.manifest.entries[0].content, sink.blocks),
              c.bytes)
        << "the file itself stays as it is";
  }
}

TEST(ImportRecords, HeaderAsTold) {
  TempDir dir;
  auto path = dir.path() + "/a.csv";
  ASSERT_TRUE(replace_file(path, "a,b\n1,2\n"));
  MemoryBlocks sink, other;
  auto no = import_good(path, sink, {.header = HeaderRow::no});
  EXPECT_THAT(records_of(no, sink, "a.csv"), ElementsAre("a,b", "1,2"));
  ASSERT_TRUE(replace_file(path, "1,2\n3,4\n"));
  auto yes = import_good(path, other, {.header = HeaderRow::yes});
  EXPECT_THAT(records_of(yes, other, "a.csv"), ElementsAre("3,4"));
  EXPECT_THAT(yes.manifest.tables[0].about, HasSubstr(R"("columns":["1","2"])"));
}

TEST(ImportRecords, SaysWhyThereAreNone) {
  TempDir dir;
  const std::vector<std::pair<Files, std::string>> cases{
      {{{"a.csv", "a,b\n1,\"2\n3,4\n"}}, "row 2 opens a quote that is never closed"},
      {{{"a.csv", ""}}, "has no rows"},
      {{{"a.jsonl", "hello\n"}}, "no JSON object"},
      {{{"x-idx1-ubyte", "hello"}}, "does not begin as an IDX file"},
      {{{"x.idx", std::string("\0\0\x08\x01\0\0\0\x05"
                              "1234",
                              12)}},
       "promises 5 items"},
      {{{"x.idx", std::string("\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16)}},
       "too large"},
  };
  int number = 0;
  for (const auto& [files, note] : cases) {
    auto root = dir.path() + "/" + std::to_string(++number);
    write_files(root, files);
    MemoryBlocks sink;
    auto imported = import_good(root, sink);
    EXPECT_THAT(imported.notes, ElementsAre(HasSubstr(note)));
    EXPECT_THAT(imported.manifest.tables, IsEmpty());
    expect_files(imported.manifest, sink, files);
  }
}

TEST(ImportRecords, ItemsOfAnIdxFileAndOfAPackedOne) {
  std::string bytes("\0\0\x0b\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02", 16);
  bytes += random_text(1, 24);
  TempDir dir;
  auto plain = dir.path() + "/train-images-idx3-ubyte";
  ASSERT_TRUE(replace_file(plain, bytes));
  MemoryBlocks sink;
  auto imported = import_good(plain, sink);
  EXPECT_THAT(records_of(imported, sink, "train-images-idx3-ubyte"),
              ElementsAre(bytes.substr(16, 8), bytes.substr(24, 8), bytes.substr(32, 8)));
  EXPECT_EQ(imported.manifest.tables[0].about,
            R"({"kind":"idx","order":"big","shape":[2,2],"type":"int16"})");
  auto packed = gzip_of(bytes);
  ASSERT_TRUE(replace_file(plain + ".gz", packed));
  MemoryBlocks other;
  EXPECT_EQ(version_id(import_good(plain + ".gz", other).manifest), version_id(imported.manifest));
  // In a folder a packed file stays one unless asked for.
  ASSERT_TRUE(make_dirs(dir.path() + "/folder"));
  fs::copy(plain + ".gz", dir.path() + "/folder/x.idx.gz");
  MemoryBlocks as_is, unpacked;
  EXPECT_NE(import_good(dir.path() + "/folder", as_is).manifest.find("x.idx.gz"), nullptr);
  auto open = import_good(dir.path() + "/folder", unpacked, {.unpack = true});
  EXPECT_EQ(open.manifest.table_of("x.idx")->count, 3u);
}

TEST(ImportRecords, Mnist) {
  std::string path = "/work/shared/data/mnist";
  if (const char* given = std::getenv("TROUPE_MNIST")) path = given;
  if (!fs::exists(path)) GTEST_SKIP() << "MNIST is not in " << path << " (TROUPE_MNIST)";
  MemoryBlocks sink;
  auto imported = import_good(path, sink, {.unpack = true});
  const auto* images = imported.manifest.table_of("train-images-idx3-ubyte");
  ASSERT_NE(images, nullptr);
  EXPECT_EQ(images->count, 60'000u);
  EXPECT_EQ(images->stride, 784u);
  EXPECT_EQ(images->about, R"({"kind":"idx","order":"big","shape":[28,28],"type":"uint8"})");
  const auto* labels = imported.manifest.table_of("t10k-labels-idx1-ubyte");
  ASSERT_NE(labels, nullptr);
  EXPECT_EQ(labels->count, 10'000u);
  EXPECT_EQ(labels->stride, 1u);
}

}  // namespace
}  // namespace troupe::dataset
