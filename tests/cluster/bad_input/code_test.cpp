// Code folders and outputs that would leave their place, or are too much.
#include "bad_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;

void sparse_file(const std::string& path, off_t bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::ftruncate(fd, bytes), 0);
  ::close(fd);
}

TEST_F(BadInput, CodeThatIsTooLarge) {
  auto before = list();
  auto big = folder("big");
  sparse_file(big + "/weights.bin", 600 << 20);
  write(big + "/train.py", "pass");
  expect_refused(up_.cli({"run", "-d", "--", "true"}, 60s, big), 2,
                 {"at most 512 MiB", "weights.bin", "600 MiB", ".troupeignore"});
  auto many = folder("many");
  for (int i = 0; i < 9; ++i) sparse_file(fmt::format("{}/{}.bin", many, i), 60 << 20);
  expect_refused(up_.cli({"run", "-d", "--", "true"}, 60s, many), 2,
                 {"at most 512 MiB", "540 MiB"});
  auto one = folder("one");
  sparse_file(one + "/model.bin", 65 << 20);
  expect_refused(up_.cli({"run", "-d", "--", "true"}, 60s, one), 2,
                 {"model.bin", "65 MiB", "64 MiB", ".troupeignore"});
  EXPECT_EQ(list(), before);
  // What is ignored counts for nothing.
  write(big + "/.troupeignore", "*.bin\n");
  EXPECT_EQ(up_.cli({"run", "--", "test", "-e", "train.py"}, 60s, big).code, 0);
}

TEST_F(BadInput, CodeOfTooManyFiles) {
  auto before = list();
  // Memory makes this quick where it is there.
  std::string base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : up_.root();
  auto tree = base + "/" + fs::path{up_.root()}.filename().string() + "-files";
  for (int d = 0; d < 10; ++d) fs::create_directories(fmt::format("{}/d{}", tree, d));
  for (int i = 0; i <= 100'000; ++i) {
    auto path = fmt::format("{}/d{}/{}", tree, i < 20'000 ? 3 : i % 10, i);
    int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_GE(fd, 0) << path;
    ::close(fd);
  }
  auto output = up_.cli({"run", "-d", "--", "true"}, 120s, tree);
  fs::remove_all(tree);
  expect_refused(output, 2, {"100001 files", "at most 100000", "the largest folder is d3/"});
  EXPECT_EQ(list(), before);
}

TEST_F(BadInput, LinksThatLeaveTheCode) {
  auto before = list();
  auto code = folder("links");
  for (const char* target : {"/etc/passwd", "../../../etc/passwd", "sub/../../x"}) {
    SCOPED_TRACE(target);
    fs::remove(code + "/evil");
    fs::create_symlink(target, code + "/evil");
    expect_refused(up_.cli({"run", "-d", "--", "true"}, 60s, code), 2,
                   {"the link evil leaves the project", target});
  }
  EXPECT_EQ(list(), before);
  // Links that stay inside are kept, also one that names its own folder.
  fs::remove(code + "/evil");
  fs::create_directory(code + "/sub");
  write(code + "/sub/data", "42");
  fs::create_symlink(".", code + "/self");
  fs::create_symlink("../self/sub/data", code + "/sub/again");
  ::mkfifo((code + "/pipe").c_str(), 0600);
  auto good = up_.cli({"run", "--", "cat", "sub/again"}, 60s, code);
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.out.find("42"), std::string::npos) << good.out;
  EXPECT_NE(good.err.find("pipe"), std::string::npos) << "left out without a word: " << good.err;
}

TEST_F(BadInput, OutputsAreFetchedFromTheirFolderAlone) {
  auto id = run_to_end(
      "cd $TROUPE_OUTPUT && mkdir a && echo inside > a/b && ln -s /etc/passwd link && "
      "ln -s /etc folder && ln -s ../../owner.token token && mkfifo pipe");
  auto target = up_.path("fetched");
  for (const char* path : {"..", "../x", "a/../../x", "/etc/passwd", ".", "a//b", "a/./b"}) {
    SCOPED_TRACE(path);
    expect_refused(up_.cli({"out", "get", id, path, "-o", target}), 2, {"cannot be fetched"});
  }
  for (const char* path : {"link", "folder/passwd", "token", "pipe", "nothing"}) {
    SCOPED_TRACE(path);
    expect_refused(up_.cli({"out", "get", id, path, "-o", target}), 3, {path});
  }
  EXPECT_FALSE(fs::exists(target));
  // The server says no by itself, whatever the client looks like.
  for (const char* path : {"%2e%2e/%2e%2e/owner.token", "..%2f..%2fowner.token", "link", "token",
                           "folder/passwd", "pipe", "%2fetc/passwd", "a%00b"}) {
    client::HttpRequest request;
    request.path = "/api/v1/experiments/" + id + "/outputs/" + path;
    auto answer = up_.http().send(request);
    ASSERT_FALSE(answer) << path << ": " << answer->body;
    EXPECT_NE(answer.error().code, Errc::bug) << to_string(answer.error());
  }
  auto all = up_.cli({"out", "get", id, "-o", target});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_TRUE(fs::is_regular_file(target + "/a/b"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(target + "/link")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(target + "/token")));
}

TEST_F(BadInput, MoreOutputsThanAPageNamesAreAllThere) {
  auto id = run_to_end("cd $TROUPE_OUTPUT && seq 1 10500 | xargs touch && echo deep > 10500");
  auto target = up_.path("fetched");
  auto listed = up_.cli({"out", "ls", "-q", id});
  EXPECT_EQ(listed.code, 0);
  EXPECT_EQ(std::count(listed.out.begin(), listed.out.end(), '\n'), 10'500);
  EXPECT_EQ(listed.err.find("not all"), std::string::npos) << listed.err;
  for (const char* name : {"1", "10500", "9999"})
    EXPECT_EQ(up_.cli({"out", "get", id, name, "-o", target}).code, 0) << name;
  EXPECT_EQ(up_.read("fetched/10500"), "deep\n");
  expect_refused(up_.cli({"out", "get", id, "10501", "-o", target}), 3, {"10501"});
  // Folders deeper than a list looks.
  auto nested = run_to_end(
      "cd $TROUPE_OUTPUT; for i in $(seq 100); do mkdir d; cd d; done; echo deep > file");
  expect_refused(up_.cli({"out", "get", nested, "-o", target}), 5, {"not all"});
}

}  // namespace
}  // namespace troupe::cluster
