// The code store and the output tree: content goes round unchanged, and nothing gets out.
#include "runtime/core/digest.hpp"
#include "storage/beneath.hpp"
#include "storage/code_store.hpp"
#include "storage/output_tree.hpp"
#include "tests/storage/storage_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace troupe::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CodeEntry file(const std::string& path, const std::string& bytes, bool executable = false) {
  return {path, false, executable, bytes.size(), sha256_hex(bytes), ""};
}

struct Snapshot {
  std::string big = std::string(700'000, 'b'), script = "#!/bin/sh\n", empty;
  CodeManifest manifest{{file("a/b/big.bin", big), file("empty", empty),
                         CodeEntry{"link", true, false, 0, "", "a/b/big.bin"},
                         file("run.sh", script, true), file("same.sh", script)}};
};

CodeStore store_in(const TempDir& dir) {
  auto store = CodeStore::open(dir.path());
  EXPECT_TRUE(store);
  return *store;
}

void expect_whole(const Snapshot& snapshot, const std::string& target) {
  EXPECT_EQ(*read_file(target + "/a/b/big.bin"), snapshot.big);
  EXPECT_EQ(*read_file(target + "/empty"), "");
  EXPECT_EQ(*read_file(target + "/same.sh"), snapshot.script);
  EXPECT_EQ(fs::read_symlink(target + "/link"), "a/b/big.bin");
  struct stat info {};
  ASSERT_EQ(::stat((target + "/run.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755u);
  ASSERT_EQ(::stat((target + "/same.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST(CodeStore, ASnapshotGoesRoundBothWays) {
  TempDir dir;
  auto store = store_in(dir);
  Snapshot snapshot;
  auto text = manifest_text(snapshot.manifest);
  auto early = store.put_manifest(text);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Errc::conflict);
  EXPECT_THAT(early.error().detail, HasSubstr("a/b/big.bin"));
  auto big = sha256_hex(snapshot.big), script = sha256_hex(snapshot.script);
  EXPECT_THAT(*store.blobs().missing({script, big, script}), ElementsAre(script, big));
  for (const auto* bytes : {&snapshot.big, &snapshot.script, &snapshot.empty, &snapshot.big})
    ASSERT_TRUE(store.blobs().put(sha256_hex(*bytes), *bytes));
  EXPECT_TRUE(store.blobs().missing({script, big})->empty());
  auto digest = store.put_manifest(text);
  ASSERT_TRUE(digest) << to_string(digest.error());
  EXPECT_EQ(*digest, manifest_digest(snapshot.manifest));
  EXPECT_EQ(*store.manifest(*digest), text);
  EXPECT_EQ(store.blobs().read(big, 699'990, 100)->bytes, "bbbbbbbbbb");
  EXPECT_EQ(store.blobs().read(big, 0, 5)->size, 700'000u);

  auto local = dir.path() + "/local", fetched = dir.path() + "/fetched";
  ASSERT_TRUE(materialise(snapshot.manifest, store, local));
  expect_whole(snapshot, local);
  auto fetch = [&](const std::string& name, uint64_t offset) -> Result<std::string> {
    auto chunk = store.blobs().read(name, offset, 100'000);
    if (!chunk) return std::move(chunk).error();
    return std::move(chunk->bytes);
  };
  ASSERT_TRUE(materialise(snapshot.manifest, fetch, fetched));
  expect_whole(snapshot, fetched);
  // The copy is private: what a job does to it does not reach the store.
  ASSERT_TRUE(replace_file(local + "/run.sh", "changed"));
  EXPECT_EQ(store.blobs().read(script, 0, 100)->bytes, snapshot.script);
  EXPECT_FALSE(materialise(snapshot.manifest, store, local)) << "the target exists";
}

TEST(CodeStore, CollectsWhatNoExperimentNames) {
  TempDir dir;
  auto store = store_in(dir);
  auto snapshot = [&](const std::string& own) {
    CodeManifest manifest;
    for (const auto& bytes : {std::string{"shared"}, own}) {
      auto digest = sha256_hex(bytes);
      EXPECT_TRUE(store.blobs().put(digest, bytes));
      CodeEntry entry;
      entry.path = bytes;
      entry.size = bytes.size();
      entry.digest = digest;
      manifest.entries.push_back(entry);
    }
    std::sort(manifest.entries.begin(), manifest.entries.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    auto stored = store.put_manifest(manifest_text(manifest));
    EXPECT_TRUE(stored) << to_string(stored.error());
    return stored.value_or("");
  };
  auto kept = snapshot("kept"), gone = snapshot("gone");
  auto later = std::chrono::system_clock::now() + std::chrono::hours{1};
  auto young = store.collect(later - std::chrono::hours{2}, false, {});
  ASSERT_TRUE(young);
  EXPECT_EQ(young->files + young->snapshots, 0u);
  auto done = store.collect(later, false, {kept});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->snapshots, 1u);
  EXPECT_EQ(done->files, 1u);
  EXPECT_EQ(done->bytes, 4u);
  EXPECT_TRUE(store.check_manifest(kept));
  EXPECT_FALSE(store.manifest(gone));
  EXPECT_TRUE(store.blobs().check(sha256_hex("shared")));
  // The same tree can be sent again.
  EXPECT_EQ(snapshot("gone"), gone);
}

TEST(CodeStore, WhatWasMovedAsideGoesInTheEnd) {
  TempDir dir;
  auto store = store_in(dir);
  EXPECT_EQ(store.drop_aside(FileTime::max(), false), 0u) << "nothing ever was";
  ASSERT_TRUE(store.blobs().put(sha256_hex("damaged"), "damaged"));
  ASSERT_TRUE(store.set_aside_blob(sha256_hex("damaged")));
  EXPECT_EQ(store.blobs().check(sha256_hex("damaged")).error().code, Errc::not_found);
  EXPECT_EQ(store.drop_aside(FileTime::min(), false), 0u) << "it is too young";
  EXPECT_EQ(store.drop_aside(FileTime::max(), true), 7u);
  EXPECT_EQ(store.drop_aside(FileTime::max(), false), 7u);
  EXPECT_EQ(store.drop_aside(FileTime::max(), false), 0u);
}

TEST(CodeStore, RefusesWhatIsNotWhatItSays) {
  TempDir dir;
  auto store = store_in(dir);
  EXPECT_EQ(store.blobs().put(sha256_hex("a"), "b").error().code, Errc::invalid);
  for (std::string bad : {"", "../../etc/passwd", "ABC"}) {
    EXPECT_EQ(store.blobs().put(bad, "b").error().code, Errc::invalid);
    EXPECT_EQ(store.blobs().read(bad, 0, 1).error().code, Errc::invalid);
    EXPECT_EQ(store.manifest(bad).error().code, Errc::invalid);
    EXPECT_FALSE(store.blobs().missing({bad}));
  }
  EXPECT_EQ(store.blobs().read(sha256_hex("a"), 0, 1).error().code, Errc::not_found);
  EXPECT_EQ(store.manifest(sha256_hex("a")).error().code, Errc::not_found);
  EXPECT_FALSE(store.put_manifest("{\"path\":\"../x\"}\n"));
  ASSERT_TRUE(store.blobs().put(sha256_hex("a"), "a"));
  auto liar = file("x", "a");
  liar.size = 2;
  EXPECT_EQ(store.put_manifest(manifest_text({{liar}})).error().code, Errc::invalid);
}

TEST(CodeStore, MaterialiseNeverLeavesItsFolderAndCleansUp) {
  TempDir dir;
  auto target = dir.path() + "/copy";
  auto fetch = [](const std::string&, uint64_t) -> Result<std::string> { return std::string{"x"}; };
  CodeManifest up{{file("../escape", "x")}};
  CodeManifest through{{file("d/f", "x"), CodeEntry{"d2", true, false, 0, "", "../.."}}};
  CodeManifest wrong{{file("f", "y")}};
  for (const auto& manifest : {up, through, wrong}) {
    EXPECT_FALSE(materialise(manifest, fetch, target));
    EXPECT_FALSE(fs::exists(target));
    EXPECT_FALSE(fs::exists(dir.path() + "/escape"));
  }
}

class OutputTree : public ::testing::TestWithParam<Beneath> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_dirs(out_ + "/sub/deep"));
    ASSERT_TRUE(replace_file(dir_.path() + "/secret", "secret"));
    ASSERT_TRUE(replace_file(out_ + "/a.txt", "0123456789"));
    ASSERT_TRUE(replace_file(out_ + "/sub/deep/b.txt", "bb"));
    fs::create_symlink("../secret", out_ + "/up");
    fs::create_symlink("/etc", out_ + "/etc");
    fs::create_symlink("a.txt", out_ + "/inside");
    fs::create_directory_symlink("sub", out_ + "/subl");
  }
  Result<OutputChunk> read(std::string_view path, uint64_t offset = 0, uint32_t limit = 100) {
    return read_output(out_, path, offset, limit, GetParam());
  }
  TempDir dir_;
  std::string out_ = dir_.path() + "/out";
};

TEST_P(OutputTree, ReadsPartsOfFiles) {
  EXPECT_EQ(read("a.txt", 3, 4)->bytes, "3456");
  EXPECT_EQ(read("a.txt", 3, 4)->size, 10u);
  EXPECT_EQ(read("a.txt", 99)->bytes, "");
  EXPECT_EQ(read("sub/deep/b.txt")->bytes, "bb");
  EXPECT_EQ(read("none").error().code, Errc::not_found);
  EXPECT_EQ(read("a.txt/x").error().code, Errc::not_found);
  EXPECT_EQ(read("sub").error().code, Errc::refused);
}

TEST_P(OutputTree, RefusesEveryWayOut) {
  using namespace std::string_view_literals;
  for (auto path : {""sv, "/etc/passwd"sv, "../secret"sv, "sub/../../secret"sv, "sub//deep/b.txt"sv,
                    "./a.txt"sv, "a.txt\0x"sv, ".."sv, "sub/"sv})
    EXPECT_EQ(read(path).error().code, Errc::invalid) << path;
  EXPECT_EQ(read(std::string(5000, 'a')).error().code, Errc::invalid);
  for (auto path : {"up", "etc/passwd", "inside", "subl/deep/b.txt", "etc"})
    EXPECT_EQ(read(path).error().code, Errc::refused) << path;
  ASSERT_EQ(::mkfifo((out_ + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(read("pipe").error().code, Errc::refused);  // and does not hang
}

TEST_P(OutputTree, ASwappedLinkNeverLeadsOut) {
  std::atomic<bool> stop{false};
  ASSERT_TRUE(make_dirs(dir_.path() + "/evil"));
  ASSERT_TRUE(replace_file(dir_.path() + "/evil/f", "secret"));
  ASSERT_TRUE(make_dirs(out_ + "/real"));
  ASSERT_TRUE(replace_file(out_ + "/real/f", "honest"));
  std::thread swapper{[&] {
    std::string at = out_ + "/d", spare = out_ + "/spare";
    fs::rename(out_ + "/real", at);
    while (!stop) {
      ::rename(at.c_str(), spare.c_str());
      if (::symlink("../evil", at.c_str()) != 0) continue;
      ::unlink(at.c_str());
      ::rename(spare.c_str(), at.c_str());
    }
  }};
  for (int i = 0; i < 5000; ++i) {
    auto chunk = read("d/f");
    ASSERT_EQ(chunk ? chunk->bytes : "honest", "honest");
  }
  stop = true;
  swapper.join();
}

INSTANTIATE_TEST_SUITE_P(Ways, OutputTree,
                         ::testing::Values(Beneath::automatic, Beneath::by_parts));

TEST(OutputList, ShowsLinksWithoutFollowingAndIsBounded) {
  TempDir dir;
  auto out = dir.path() + "/out";
  EXPECT_TRUE(list_outputs(out)->files.empty());
  ASSERT_TRUE(make_dirs(out + "/sub"));
  ASSERT_TRUE(replace_file(out + "/sub/a", "12345"));
  fs::create_directory_symlink("/etc", out + "/etc");
  auto listing = list_outputs(out);
  ASSERT_TRUE(listing);
  ASSERT_EQ(listing->files.size(), 2u);
  EXPECT_EQ(listing->files[0].path, "etc");
  EXPECT_TRUE(listing->files[0].is_link);
  EXPECT_EQ(listing->files[0].target, "/etc");
  EXPECT_EQ(listing->files[1].path, "sub/a");
  EXPECT_EQ(listing->files[1].size, 5u);
  EXPECT_TRUE(listing->files[1].modified);
  EXPECT_EQ(listing->bytes, 5u);
  EXPECT_TRUE(listing->complete);
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(replace_file(out + "/f" + std::to_string(i), "", 0644, false));
  // Page by page: all of them, each once, in the order of their paths.
  std::vector<std::string> paths;
  std::string after;
  for (int page = 0; page < 4; ++page) {
    listing = list_outputs(out, after, 6);
    for (const auto& file : listing->files) paths.push_back(file.path);
    EXPECT_TRUE(listing->complete);
    EXPECT_EQ(listing->more, page < 3);
    EXPECT_EQ(listing->files.size(), page < 3 ? 6u : 4u);
    after = paths.back();
  }
  EXPECT_EQ(paths.size(), 22u);
  EXPECT_TRUE(std::is_sorted(paths.begin(), paths.end()));
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), 22u);
  EXPECT_TRUE(list_outputs(out, after)->files.empty());
}

}  // namespace
}  // namespace troupe::storage
