#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = testing::TempDir() + "troupe-fd.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string at(const std::string& name) const { return dir_ + "/" + name; }

  std::string dir_;
};

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST_F(Files, UniqueFdClosesOnce) {
  int raw = -1;
  {
    auto fd = open_file(dir_, O_RDONLY);
    ASSERT_TRUE(fd);
    raw = fd->get();
    EXPECT_EQ(::fcntl(raw, F_GETFD), FD_CLOEXEC);
    UniqueFd moved{std::move(*fd)};
    EXPECT_FALSE(*fd);
    EXPECT_TRUE(moved);
    EXPECT_TRUE(is_open(raw));
    moved = UniqueFd{};
    EXPECT_FALSE(is_open(raw));
  }
}

TEST_F(Files, ReleaseHandsOver) {
  UniqueFd fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  int raw = fd.release();
  fd.reset();
  EXPECT_TRUE(is_open(raw));
  ::close(raw);
}

TEST_F(Files, WhatIsReplacedReadsBack) {
  std::string bytes(100'000, 'x');
  bytes[5] = '\0';
  ASSERT_TRUE(replace_file(at("a"), "old"));
  ASSERT_TRUE(replace_file(at("a"), bytes));
  EXPECT_EQ(*read_file(at("a")), bytes);
  EXPECT_EQ(std::distance(fs::directory_iterator{dir_}, fs::directory_iterator{}), 1);
}

TEST_F(Files, ASecretIsNeverReadableByOthers) {
  // A file left by a crash under the temporary name must not lend its mode to the secret.
  ASSERT_TRUE(replace_file(at("secret"), "x", 0600));
  struct stat info {};
  ASSERT_EQ(::stat(at("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_TRUE(replace_file(at("secret"), "y", 0600, false));
  ASSERT_EQ(::stat(at("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Files, ReplacingFromManyThreadsLeavesOneWholeFile) {
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c)
    threads.emplace_back([this, c] {
      for (int n = 0; n < 50; ++n)
        EXPECT_TRUE(replace_file(at("shared"), std::string(5000, c), 0644, false));
    });
  for (auto& thread : threads) thread.join();
  auto text = read_file(at("shared"));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, std::string(5000, text->front()));
  EXPECT_EQ(std::distance(fs::directory_iterator{dir_}, fs::directory_iterator{}), 1);
}

TEST_F(Files, ReadingEndsAtTheLimit) {
  ASSERT_TRUE(replace_file(at("a"), "12345"));
  EXPECT_EQ(*read_file(at("a"), 5), "12345");
  auto more = read_file(at("a"), 4);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Errc::invalid);
}

TEST_F(Files, ErrorsNameTheFile) {
  auto missing = read_file(at("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_NE(missing.error().what.find(at("none")), std::string::npos);
  auto folder = read_file(dir_);
  ASSERT_FALSE(folder);
  auto written = replace_file(at("none/a"), "x");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().what.find("none/a"), std::string::npos);
  EXPECT_FALSE(write_all(-1, "x"));
}

TEST_F(Files, AFullDiskIsCalledExhausted) {
  auto fd = open_file("/dev/full", O_WRONLY);
  if (!fd) GTEST_SKIP() << "no /dev/full here";
  auto written = write_all(fd->get(), "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::exhausted);
}

TEST_F(Files, FoldersAreMadeWithAllAbove) {
  EXPECT_TRUE(make_dirs(at("a/b/c")));
  EXPECT_TRUE(make_dirs(at("a/b/c")));
  EXPECT_TRUE(make_dirs(at("a/b/c/d/")));
  EXPECT_TRUE(fs::is_directory(at("a/b/c/d")));
  ASSERT_TRUE(replace_file(at("file"), ""));
  EXPECT_FALSE(make_dirs(at("file")));
  EXPECT_FALSE(make_dirs(at("file/below")));
}

TEST_F(Files, RemovingATreeNeverFollowsLinks) {
  ASSERT_TRUE(make_dirs(at("kept")));
  ASSERT_TRUE(replace_file(at("kept/file"), "x"));
  ASSERT_TRUE(make_dirs(at("gone/deep")));
  fs::create_directory_symlink(at("kept"), at("gone/deep/link"));
  EXPECT_TRUE(remove_tree(at("gone")));
  EXPECT_FALSE(fs::exists(at("gone")));
  EXPECT_TRUE(fs::exists(at("kept/file")));
  EXPECT_TRUE(remove_tree(at("gone")));
}

TEST_F(Files, RemovingATreeOpensWhatItsOwnerClosed) {
  // As an ordinary user, whom permissions bind.
  ASSERT_EQ(::chmod(dir_.c_str(), 0777), 0);
  auto child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    auto made = make_dirs(at("gone/a/b")) && replace_file(at("gone/a/b/file"), "x", 0444, false) &&
                make_dirs(at("kept"));
    fs::create_directory_symlink(at("kept"), at("gone/a/link"));
    made = made && ::chmod(at("kept").c_str(), 0) == 0 && ::chmod(at("gone/a/b").c_str(), 0) == 0 &&
           ::chmod(at("gone/a").c_str(), 0555) == 0;
    if (!made || std::filesystem::is_empty(at("gone"))) ::_exit(3);
    bool removed = remove_tree(at("gone")).has_value();
    ::_exit(removed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "it ended with " << WEXITSTATUS(status);
  EXPECT_FALSE(fs::exists(at("gone")));
  struct stat info {};
  ASSERT_EQ(::stat(at("kept").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0u) << "a link was followed";
}

}  // namespace
}  // namespace troupe
