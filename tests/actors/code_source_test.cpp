// Code on its way from the head's store to a worker's folder, without a network between them.
#include "actors/worker/code_source.hpp"

#include "actors/bulk_words.hpp"
#include "actors/head/head_files.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace troupe::actors {
namespace {

class CodeSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [path, bytes] : files) {
      CodeEntry entry{path, false, path == "run.sh", bytes.size(), sha256_hex(bytes), ""};
      ASSERT_TRUE(store.blobs().put(entry.digest, bytes));
      manifest.entries.push_back(entry);
    }
    manifest.entries.push_back({"to_a", true, false, 0, "", "a"});
    std::sort(manifest.entries.begin(), manifest.entries.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    auto put = store.put_manifest(manifest_text(manifest));
    ASSERT_TRUE(put) << to_string(put.error());
    digest = *put;
  }
  /// A head whose bytes may change on their way.
  std::shared_ptr<cluster::BulkPort> head(std::function<void(std::string&)> alter = {}) {
    auto open = head_files(store, *dataset::DatasetStore::open(dir.path()));
    if (!alter) return std::make_shared<cluster::LocalBulk>(threads, open);
    return std::make_shared<cluster::LocalBulk>(
        threads,
        [open, alter](const std::string& peer, const cluster::BulkRequest& request)
            -> Result<std::unique_ptr<cluster::BulkSource>> {
          auto source = open(peer, request);
          if (!source) return source;
          std::string all;
          for (auto piece = (*source)->next(); piece && !piece->empty(); piece = (*source)->next())
            all += *piece;
          alter(all);
          return std::unique_ptr<cluster::BulkSource>{new BulkText{all, {}}};
        });
  }
  std::string target() const { return dir.path() + "/target"; }
  void expect_all() {
    for (const auto& [path, bytes] : files)
      EXPECT_TRUE(read_file(target() + "/" + path).value_or("not there") == bytes) << path;
    EXPECT_EQ(std::filesystem::read_symlink(target() + "/to_a"), "a");
    EXPECT_NE(std::filesystem::status(target() + "/run.sh").permissions() &
                  std::filesystem::perms::owner_exec,
              std::filesystem::perms::none);
  }

  TempDir dir;
  storage::CodeStore store = *storage::CodeStore::open(dir.path());
  std::shared_ptr<FileThreads> threads = std::make_shared<FileThreads>();
  std::map<std::string, std::string> files{{"a", "same"},
                                           {"b/same", "same"},
                                           {"empty", ""},
                                           {"large", std::string(1'000'000, 'x')},
                                           {"run.sh", "#!/bin/sh\n"}};
  CodeManifest manifest;
  std::string digest;
};

TEST_F(CodeSourceTest, ArrivesWholeEitherWay) {
  auto here = LocalCode{store}.materialise(digest, target());
  ASSERT_TRUE(here) << to_string(here.error());
  expect_all();
  std::filesystem::remove_all(target());
  auto there = RemoteCode{head()}.materialise(digest, target());
  ASSERT_TRUE(there) << to_string(there.error());
  expect_all();
}

TEST_F(CodeSourceTest, WhatIsNotKnownIsSaid) {
  for (const auto& answer : {RemoteCode{head()}.materialise(std::string(64, '0'), target()),
                             LocalCode{store}.materialise(std::string(64, '0'), target())}) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::not_found);
  }
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(CodeSourceTest, BytesThatChangedOnTheirWayLeaveNothingBehind) {
  auto fails = [&](std::function<void(std::string&)> alter) {
    auto answer = RemoteCode{head(std::move(alter))}.materialise(digest, target());
    EXPECT_FALSE(answer);
    EXPECT_FALSE(std::filesystem::exists(target()));
    return answer ? Errc::bug : answer.error().code;
  };
  EXPECT_EQ(fails([](auto& all) { all.back() ^= 1; }), Errc::corrupt) << "a file";
  EXPECT_EQ(fails([](auto& all) { all[20] ^= 1; }), Errc::corrupt) << "the manifest";
  EXPECT_EQ(fails([](auto& all) { all[0] = '\x7f'; }), Errc::corrupt) << "its size";
  fails([](auto& all) { all.resize(all.size() - 1); });
  fails([](auto& all) { all.resize(5); });
  fails([](auto& all) { all.clear(); });
}

TEST_F(CodeSourceTest, WhoeverStopsReadingStopsTheStream) {
  ASSERT_TRUE(replace_file(target(), "in the way"));
  auto answer = RemoteCode{head()}.materialise(digest, target());
  EXPECT_FALSE(answer);
}

TEST(BulkWords, ListsAreReadBackAndNonsenseIsRefused) {
  std::string bytes;
  put_output(bytes, {"a/b", 7, Timestamp{-5}, false, ""});
  put_output(bytes, {std::string("x\0\xff", 3), UINT64_MAX, Timestamp{9}, true, "to"});
  auto files = parse_outputs(bytes);
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[1].path, std::string("x\0\xff", 3));
  EXPECT_EQ((*files)[1].size, UINT64_MAX);
  EXPECT_EQ((*files)[0].modified.us, -5);
  EXPECT_EQ((*files)[1].target, "to");
  EXPECT_TRUE(parse_outputs("")->empty());
  EXPECT_FALSE(parse_outputs(bytes + "x"));
  EXPECT_FALSE(parse_outputs(bytes.substr(0, bytes.size() - 1)));
}

}  // namespace
}  // namespace troupe::actors
