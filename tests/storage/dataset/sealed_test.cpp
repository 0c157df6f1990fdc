// Sealed files: blocks in any order, fills that break at any point, files that rot.
#include "storage/dataset/sealed_file.hpp"
#include "storage/dataset/sealed_writer.hpp"
#include "storage/lmdb_pages.hpp"
#include "tests/storage/dataset/sealed_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <numeric>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Changes one byte of a file that may be read-only.
void flip(const std::string& path, uint64_t offset) {
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  char byte = 0;
  ASSERT_EQ(::pread(fd, &byte, 1, static_cast<off_t>(offset)), 1);
  byte = static_cast<char>(byte ^ 0x40);
  ASSERT_EQ(::pwrite(fd, &byte, 1, static_cast<off_t>(offset)), 1);
  ::close(fd);
}

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator{dir}) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Sealed, BlocksInAnyOrderGiveTheSameBytes) {
  for (uint64_t seed : {1, 2, 3}) {
    Version version{odd_files(64u << 10), 4};
    auto order = version.all_blocks();
    std::shuffle(order.begin(), order.end(), std::mt19937_64{seed});
    TempDir dir;
    auto file = version.seal_in(dir.path(), order);
    ASSERT_NE(file, nullptr);
    for (const auto& [path, bytes] : version.files) {
      const auto& content = file->manifest().find(path)->content;
      std::string read(bytes.size(), ' ');
      file->copy(content, 0, read.data(), read.size());
      EXPECT_EQ(read, bytes) << path;
      if (bytes.size() > 10) {
        std::string part(bytes.size() - 10, ' ');
        file->copy(content, 7, part.data(), part.size());
        EXPECT_EQ(part, bytes.substr(7, part.size())) << path;
      }
    }
    for (uint32_t i = 0; i < file->manifest().blocks.size(); ++i)
      EXPECT_EQ(reinterpret_cast<uintptr_t>(file->block(i).data()) % 4096, 0u);
    EXPECT_TRUE(file->populate());
    EXPECT_TRUE(check_sealed(file->paths().folder)->good());
    EXPECT_LE(file->blocks_file_bytes(), blocks_file_bytes_max(version.manifest, 64u << 10));
    EXPECT_THAT(names_in(file->paths().folder),
                ElementsAre("blocks.mdb", "files.erofs", "manifest", "seal"));
    EXPECT_THAT(names_in(dir.path()), ElementsAre(to_string(version_id(version.manifest))));
  }
}

TEST(Sealed, AVersionOfNothingIsAFile) {
  Version version{{}, 4};
  TempDir dir;
  auto file = version.seal_in(dir.path());
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(file->populate());
  EXPECT_TRUE(check_sealed(file->paths().folder)->good());
}

TEST(Sealed, IsOpenOnceInAProcess) {
  Version version{{{"a", "a"}}, 4};
  TempDir dir;
  auto file = version.seal_in(dir.path());
  fs::create_directory_symlink(dir.path(), dir.path() + "/other");
  auto folder = dir.path() + "/other/" + to_string(file->version());
  auto again = SealedFile::open(folder);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again->get(), file.get());
  file.reset();
  again = SealedFile::open(folder);
  ASSERT_TRUE(again);
  // What was evicted stays readable for those who have it.
  ASSERT_TRUE(remove_tree(dir.path() + "/" + to_string((*again)->version())));
  EXPECT_EQ((*again)->block(0).front(), 'a');
  EXPECT_EQ(SealedFile::open(folder).error().code, Errc::not_found);
}

TEST(Sealed, RefusesOtherBytesAndTwoFillers) {
  Version version{{{"a", random_text(1, 70'000)}}, 4};
  TempDir dir;
  auto writer = version.begin(dir.path());
  ASSERT_NE(writer, nullptr);
  auto bytes = version.payload(0);
  bytes[100] ^= 1;
  EXPECT_EQ(VerifiedBlock::check(version.manifest, 0, bytes).error().code, Errc::corrupt);
  EXPECT_FALSE(VerifiedBlock::check(version.manifest, 0, bytes.substr(4096)));
  EXPECT_EQ(writer->seal().error().code, Errc::conflict) << "blocks are missing";
  auto shared = std::make_shared<const Manifest>(version.manifest);
  EXPECT_EQ(SealedWriter::begin(dir.path(), shared).error().code, Errc::conflict);
  EXPECT_FALSE(SealedFile::open(filling_paths(dir.path(), version_id(version.manifest)).folder));
  writer.reset();
  ASSERT_NE(version.seal_in(dir.path()), nullptr);
  EXPECT_EQ(SealedWriter::begin(dir.path(), shared).error().code, Errc::conflict);
}

TEST(Sealed, SaysHowMuchIsNeededBeforeItStarts) {
  Manifest huge;
  huge.block_log2 = limits::block_log2_max;
  auto& entry = huge.entries.emplace_back();
  entry.path = "huge";
  entry.content.size = 2'000'000 * huge.block_bytes();  // 128 TB
  for (uint32_t i = 0; i < 2'000'000; ++i) {
    huge.pieces.push_back({i, 0});
    huge.blocks.push_back({content_id_of(std::to_string(i)), 1u << limits::block_log2_max});
  }
  TempDir dir;
  auto begun = SealedWriter::begin(dir.path(), std::make_shared<const Manifest>(std::move(huge)));
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::exhausted);
  EXPECT_THAT(begun.error().detail, HasSubstr("needs 122."));
  EXPECT_THAT(begun.error().detail, HasSubstr("free "));
}

class BrokenFill : public ::testing::Test {
 protected:
  BrokenFill() : version_{{{"a", random_text(7, 40 * 65536)}}, 4} {}
  SealedPaths paths() const { return filling_paths(dir_.path(), version_id(version_.manifest)); }
  /// A process that puts so many blocks and dies.
  void fill_and_die(size_t blocks) {
    auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto writer = version_.begin(dir_.path());
      for (size_t i = 0; writer && i < blocks; ++i) version_.put(*writer, version_.all_blocks()[i]);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  void expect_whole() {
    auto writer = version_.begin(dir_.path());
    ASSERT_NE(writer, nullptr);
    for (auto block : writer->missing()) version_.put(*writer, block);
    auto paths = writer->seal();
    ASSERT_TRUE(paths) << to_string(paths.error());
    EXPECT_TRUE(check_sealed(paths->folder)->good());
    EXPECT_THAT(names_in(dir_.path()), ElementsAre(to_string(version_id(version_.manifest))));
    EXPECT_THAT(names_in(paths->folder),
                ElementsAre("blocks.mdb", "files.erofs", "manifest", "seal"));
    auto file = SealedFile::open(paths->folder);
    ASSERT_TRUE(file) << to_string(file.error());
    std::string read(40 * 65536, ' ');
    (*file)->copy((*file)->manifest().entries[0].content, 0, read.data(), read.size());
    EXPECT_EQ(read, version_.files.at("a"));
  }
  TempDir dir_;
  Version version_;  // commits every four blocks
};

TEST_F(BrokenFill, GoesOnBehindTheLastSyncedPoint) {
  for (size_t blocks : {0, 3, 9, 40}) {
    fill_and_die(blocks);
    {
      auto writer = version_.begin(dir_.path());
      ASSERT_NE(writer, nullptr);
      auto there = 40 - writer->missing().size();
      // The fifth block begins with a commit of four, and so on; the commit before the last one is
      // synced for sure, as the next one waits for it.
      auto commits = blocks > 0 ? (blocks - 1) / 4 : 0;
      EXPECT_GE(there, commits > 1 ? (commits - 1) * 4 : 0);
      EXPECT_LE(there, blocks);
    }
  }
  ASSERT_TRUE(replace_file(paths().folder + "/synced.tmp7.1", "left"));
  expect_whole();
}

TEST_F(BrokenFill, DoesNotTrustACommitThatMayBeHalfOnDisk) {
  fill_and_die(20);
  // As if the newest commit had been written when the power went, and its record not yet.
  storage::MetaPage metas[2];
  auto bytes = *read_file(paths().blocks());
  for (size_t i = 0; i < 2; ++i) std::memcpy(&metas[i], bytes.data() + i * 4096, sizeof metas[i]);
  auto newest = std::max(metas[0].txn, metas[1].txn);
  ASSERT_TRUE(replace_file(paths().synced(), std::to_string(newest - 1)));
  {
    auto writer = version_.begin(dir_.path());
    ASSERT_NE(writer, nullptr);
    EXPECT_LT(writer->bytes_there(), 20u * 65536);
    EXPECT_GT(writer->bytes_there(), 0u);
  }
  expect_whole();
}

TEST_F(BrokenFill, StartsAnewWhereNothingCanBeTrusted) {
  for (std::string synced : {"1", "999", "nonsense", ""}) {
    fill_and_die(20);
    ASSERT_TRUE(replace_file(paths().synced(), synced));
    auto writer = version_.begin(dir_.path());
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->bytes_there(), 0u) << synced;
  }
  fill_and_die(20);
  ASSERT_TRUE(replace_file(paths().blocks(), "no LMDB file"));
  expect_whole();
}

TEST_F(BrokenFill, FetchesAgainWhatRottedMeanwhile) {
  fill_and_die(20);
  // In the middle of the file lies a payload.
  flip(paths().blocks(), fs::file_size(paths().blocks()) / 2);
  {
    auto writer = version_.begin(dir_.path());
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->bytes_there() % 65536, 0u);
    EXPECT_LT(writer->bytes_there(), 20u * 65536);
    EXPECT_GE(writer->bytes_there(), 11u * 65536);
  }
  expect_whole();
}

TEST_F(BrokenFill, ThreadsFillAndTheFirstErrorEndsIt) {
  auto writer = version_.begin(dir_.path());
  std::atomic<int> calls{0};
  auto fetch = [&](uint32_t block, char* to) -> Result<void> {
    if (calls++ == 10) return Error{Errc::unavailable, "the node went away", "", ""};
    std::memcpy(to, version_.payload(block).data(), version_.payload(block).size());
    return ok();
  };
  EXPECT_EQ(fill(*writer, fetch, 3).error().code, Errc::unavailable);
  auto wrong = [&](uint32_t, char*) -> Result<void> { return ok(); };
  EXPECT_EQ(fill(*writer, wrong, 2).error().code, Errc::corrupt);
  ASSERT_TRUE(fill(*writer, fetch, 3));
  EXPECT_THAT(writer->missing(), IsEmpty());
  ASSERT_TRUE(writer->seal());
}

TEST(SealedCheck, NamesWhatIsDamaged) {
  Version version{odd_files(64u << 10), 4};
  TempDir dir;
  auto file = version.seal_in(dir.path());
  auto folder = file->paths().folder;
  const auto& manifest = version.manifest;
  const auto& piece = manifest.pieces[manifest.find("deep/er/est/file")->content.first_piece];
  auto at = file->payload_page(piece.block) * 4096 + piece.offset;
  file.reset();
  flip(folder + "/blocks.mdb", at);
  auto check = check_sealed(folder);
  ASSERT_TRUE(check);
  EXPECT_THAT(check->damaged, ElementsAre(piece.block));
  EXPECT_THAT(check->paths, ::testing::Contains("deep/er/est/file"));
  EXPECT_THAT(check->paths, Not(::testing::Contains("sizes/196608")));
  flip(folder + "/blocks.mdb", at);
  EXPECT_TRUE(check_sealed(folder)->good());
}

TEST(SealedCheck, NoDamagedByteOfTheIndexIsTrusted) {
  Version version{odd_files(64u << 10), 4};
  TempDir dir;
  auto file = version.seal_in(dir.path());
  auto folder = file->paths().folder;
  file.reset();
  auto seal = seal_from(*read_file(folder + "/seal"), "seal");
  ASSERT_TRUE(seal);
  ASSERT_THAT(seal->tree_pages, Not(IsEmpty()));
  for (auto page : seal->tree_pages)
    for (auto offset : {0u, 9u, 13u, 30u, 77u, 2048u, 4090u}) {
      flip(folder + "/blocks.mdb", page * 4096 + offset);
      EXPECT_EQ(SealedFile::open(folder).error().code, Errc::corrupt) << page << " " << offset;
      EXPECT_FALSE(check_sealed(folder)->good());
      flip(folder + "/blocks.mdb", page * 4096 + offset);
    }
  for (std::string name : {"/seal", "/manifest", "/files.erofs"}) {
    flip(folder + name, fs::file_size(folder + name) / 2);
    auto opened = SealedFile::open(folder);
    EXPECT_EQ(opened ? "" : to_string(opened.error().code), name == "/files.erofs" ? "" : "corrupt")
        << name;
    auto check = check_sealed(folder);
    EXPECT_TRUE(!check || !check->good());
    flip(folder + name, fs::file_size(folder + name) / 2);
  }
  fs::resize_file(folder + "/blocks.mdb", fs::file_size(folder + "/blocks.mdb") - 4096);
  EXPECT_EQ(SealedFile::open(folder).error().code, Errc::corrupt);
  EXPECT_FALSE(check_sealed(folder)->good());
}

}  // namespace
}  // namespace troupe::dataset
