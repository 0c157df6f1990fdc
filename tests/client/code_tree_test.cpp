#include "client/cpp/code_tree.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/spec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::client {
namespace {

namespace fs = std::filesystem;

class CodeTreeTest : public testing::Test {
 protected:
  CodeTreeTest() {
    char name[] = "/tmp/troupe-code-XXXXXX";
    base_ = ::mkdtemp(name);
    root_ = base_ / "root";
    fs::create_directories(root_);
    options_.cache_dir = (base_ / "cache").string();
  }
  ~CodeTreeTest() override { fs::remove_all(base_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path, std::ios::binary} << text;
    // Old enough for the cache to trust.
    fs::last_write_time(root_ / path, fs::file_time_type::clock::now() - std::chrono::hours{1});
  }
  Result<CodeTree> scan() { return scan_code_tree(root_.string(), options_); }
  std::vector<std::string> paths() {
    std::vector<std::string> out;
    auto tree = scan();
    EXPECT_TRUE(tree) << to_string(tree.error());
    if (tree)
      for (const auto& entry : tree->manifest.entries) out.push_back(entry.path);
    return out;
  }

  fs::path base_;
  fs::path root_;
  ScanOptions options_;
};

TEST_F(CodeTreeTest, ListsFilesAndLinksInOrder) {
  write("b.py", "print()");
  write("a/run.sh", "x");
  write("a.txt", "");
  fs::permissions(root_ / "a/run.sh", fs::perms::owner_all);
  fs::create_symlink("../b.py", root_ / "a/link");
  auto tree = scan();
  ASSERT_TRUE(tree) << to_string(tree.error());
  const auto& entries = tree->manifest.entries;
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].path, "a.txt");
  EXPECT_EQ(entries[1].path, "a/link");
  EXPECT_EQ(entries[1].target, "../b.py");
  EXPECT_TRUE(entries[2].executable);
  EXPECT_EQ(entries[3].digest, sha256_hex("print()"));
  EXPECT_EQ(entries[3].size, 7u);
  auto back = parse_manifest(manifest_text(tree->manifest));
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(*back, tree->manifest);
  EXPECT_EQ(read_code_file(root_.string(), entries[3]).value(), "print()");
}

TEST_F(CodeTreeTest, HonoursIgnoreFiles) {
  write(".git/config", "x");
  write("sub/.git/config", "x");
  write(".gitignore", "*.o\nout/\n");
  write(".troupeignore", "!keep.o\nbig\n");
  write("a.o", "x");
  write("keep.o", "x");
  write("out/x", "x");
  write("big", "x");
  write("sub/.gitignore", "!a.o\n");
  write("sub/a.o", "x");
  EXPECT_EQ(paths(), (std::vector<std::string>{".gitignore", ".troupeignore", "keep.o",
                                               "sub/.gitignore", "sub/a.o"}));
}

TEST_F(CodeTreeTest, ReadsOnlyWhatChanged) {
  write("a", "one");
  write("b", "two");
  EXPECT_EQ(scan()->hashed, 2u);
  auto second = scan();
  EXPECT_EQ(second->hashed, 0u);
  EXPECT_EQ(second->manifest.entries[0].digest, sha256_hex("one"));
  write("a", "eno");  // the same size and, from write(), nearly the same time
  auto third = scan();
  EXPECT_EQ(third->hashed, 1u);
  EXPECT_EQ(third->manifest.entries[0].digest, sha256_hex("eno"));
  // A broken cache costs time only.
  for (const auto& file : fs::directory_iterator(base_ / "cache"))
    std::ofstream{file.path()} << "\n\nnonsense " << std::string(200, 'x') << " y\n";
  EXPECT_EQ(scan()->manifest, third->manifest);
}

TEST_F(CodeTreeTest, DoesNotTrustAYoungFile) {
  write("a", "one");
  fs::last_write_time(root_ / "a", fs::file_time_type::clock::now());
  EXPECT_EQ(scan()->hashed, 1u);
  EXPECT_EQ(scan()->hashed, 1u);
}

TEST_F(CodeTreeTest, LinksThatLeaveAreErrorsNamingThem) {
  for (const auto* target : {"/etc/passwd", "../outside", "..", "a/../.."}) {
    fs::create_symlink(target, root_ / "bad");
    auto tree = scan();
    ASSERT_FALSE(tree) << target;
    EXPECT_EQ(tree.error().code, Errc::invalid);
    EXPECT_NE(tree.error().what.find("bad"), std::string::npos);
    EXPECT_NE(tree.error().detail.find(target), std::string::npos);
    fs::remove(root_ / "bad");
  }
  fs::create_symlink("/etc/passwd", root_ / "bad");
  write(".troupeignore", "/bad\n");
  EXPECT_EQ(paths(), std::vector<std::string>{".troupeignore"});
}

TEST_F(CodeTreeTest, LimitsNameTheLargest) {
  write("small", "x");
  write("data/huge.bin", std::string(5000, 'x'));
  for (int i = 0; i < 8; ++i) write("many/" + std::to_string(i), "x");
  options_.bytes_max = 4000;
  auto tree = scan();
  ASSERT_FALSE(tree);
  EXPECT_NE(tree.error().detail.find("data/huge.bin"), std::string::npos) << tree.error().detail;
  options_.bytes_max = 1'000'000;
  options_.files_max = 9;
  tree = scan();
  ASSERT_FALSE(tree);
  EXPECT_NE(tree.error().detail.find("many/ (8 files"), std::string::npos) << tree.error().detail;
  EXPECT_NE(tree.error().hint.find(".troupeignore"), std::string::npos);
}

TEST_F(CodeTreeTest, LeavesOutPipesWithAWarning) {
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  auto tree = scan();
  ASSERT_TRUE(tree);
  EXPECT_TRUE(tree->manifest.entries.empty());
  ASSERT_EQ(tree->warnings.size(), 1u);
  EXPECT_NE(tree->warnings[0].find("pipe"), std::string::npos);
}

TEST_F(CodeTreeTest, UnreadableAndOddlyNamedFilesAreErrors) {
  write("bad\xff", "x");
  EXPECT_FALSE(scan());
  fs::remove(root_ / "bad\xff");
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  write("secret", "x");
  fs::permissions(root_ / "secret", fs::perms::none);
  auto tree = scan();
  ASSERT_FALSE(tree);
  EXPECT_NE(tree.error().what.find("secret"), std::string::npos);
}

TEST_F(CodeTreeTest, AFileThatChangedIsNotSent) {
  write("a", "one");
  auto tree = scan();
  write("a", "two");
  auto bytes = read_code_file(root_.string(), tree->manifest.entries[0]);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, Errc::conflict);
}

TEST_F(CodeTreeTest, GitStateNamesCommitAndChanges) {
  EXPECT_EQ(git_state(root_.string()), "");
  if (std::system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "git is not installed";
  write("a", "one");
  auto git = "cd " + shell_quote(root_.string()) +
             " && git init -q && git add a && git -c user.name=a -c user.email=a@b commit -q -m x";
  ASSERT_EQ(std::system(git.c_str()), 0);
  auto clean = git_state(root_.string());
  EXPECT_EQ(clean.size(), 40u) << clean;
  write("a", "three");
  EXPECT_EQ(git_state(root_.string()), clean + "+dirty");
}

}  // namespace
}  // namespace troupe::client
