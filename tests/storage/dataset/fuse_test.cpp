// What is of FUSE alone: many readers at once, how few questions are asked, and what happens when
// the process that serves is killed. That every file is as it was: mount_test.cpp.
#include "storage/dataset/fuse_process.hpp"
#include "storage/dataset/fuse_server.hpp"
#include "storage/dataset/fuse_tree.hpp"
#include "storage/dataset/mount.hpp"
#include "tests/storage/dataset/sealed_fixture.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

namespace troupe::dataset {
namespace {

namespace fs = std::filesystem;

Files some_files() {
  Files files;
  for (int i = 0; i < 120; ++i)
    files["d" + std::to_string(i % 7) + "/f" + std::to_string(i)] =
        random_text(static_cast<uint64_t>(i), i * 997u % 100'000);
  files["d1-/before"] = "names sort otherwise than paths";
  return files;
}

TEST(FuseTree, KnowsNamesAndBytes) {
  Version version{{{"a/x", "1"}, {"a-b", "2"}, {"a/y/z", random_text(1, 200'000)}, {"b", ""}}, 4};
  TempDir dir;
  FuseTree tree{version.seal_in(dir.path())};
  EXPECT_EQ(tree.lookup(1, "c"), 0u);
  EXPECT_EQ(tree.lookup(1, "a/x"), 0u);
  EXPECT_EQ(tree.lookup(99, "a"), 0u);
  auto a = tree.lookup(1, "a"), y = tree.lookup(a, "y"), z = tree.lookup(y, "z");
  EXPECT_TRUE(tree.is_folder(1) && tree.is_folder(a) && tree.is_folder(y) && !tree.is_folder(z));
  EXPECT_EQ(tree.attributes(z)->size, 200'000u);
  EXPECT_EQ(tree.attributes(0), std::nullopt);
  EXPECT_EQ(tree.attributes(99), std::nullopt);
  std::vector<std::string> names;
  for (uint64_t i = 0; auto child = tree.child(1, i); ++i) names.emplace_back(child->name);
  EXPECT_THAT(names, ::testing::ElementsAre(".", "..", "a", "a-b", "b"));
  EXPECT_EQ(tree.child(y, 1)->node, a);
  EXPECT_EQ(tree.child(a, 1)->node, 1u);
  std::vector<iovec> parts;
  EXPECT_FALSE(tree.extents(a, 0, 1, parts));
  for (auto [offset, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 300'000}, {65'530, 12}, {199'999, 5}, {200'000, 5}, {1ull << 60, 5}, {7, 0}}) {
    parts.clear();
    EXPECT_TRUE(tree.extents(z, offset, size, parts));
    std::string got;
    for (const auto& part : parts) got.append(static_cast<char*>(part.iov_base), part.iov_len);
    const auto& all = version.files.at("a/y/z");
    EXPECT_EQ(got, offset < all.size() ? all.substr(offset, size) : "");
  }
}

class Fuse : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& probe : probe_mounts(dir.path()))
      if (probe.method == MountMethod::fuse && probe.error) GTEST_SKIP() << to_string(*probe.error);
    ASSERT_TRUE(make_dirs(target));
    file = version.seal_in(dir.path());
    mount();
  }
  void TearDown() override {
    while (::umount2(target.c_str(), MNT_DETACH) == 0) {
    }
  }
  void mount() {
    auto mounted = mount_files(file->paths(), target, MountMethod::fuse, {FILES_SERVER});
    ASSERT_TRUE(mounted) << to_string(mounted.error());
  }
  /// The process that serves: its command line names the target.
  pid_t server() const {
    for (const auto& entry : fs::directory_iterator{"/proc"}) {
      auto words = troupe::read_file(entry.path() / "cmdline", 4096).value_or("");
      if (words.starts_with(FILES_SERVER) && words.find(target) != std::string::npos)
        return std::stoi(entry.path().filename());
    }
    return 0;
  }
  template <class Condition>
  static bool await(Condition condition) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  size_t wrong_files() const {
    size_t wrong = 0;
    for (const auto& [path, bytes] : version.files)
      wrong += troupe::read_file(target + "/" + path, 1 << 20).value_or("?") != bytes;
    return wrong;
  }

  TempDir dir;
  std::string target = dir.path() + "/mnt";
  Version version{some_files(), 4};
  std::shared_ptr<const SealedFile> file;
};

TEST_F(Fuse, ServesManyReadersAtOnce) {
  std::atomic<size_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) readers.emplace_back([&] { wrong += wrong_files(); });
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
  struct statvfs info {};
  EXPECT_EQ(::statvfs(target.c_str(), &info), 0);
  EXPECT_EQ(info.f_flag & (ST_RDONLY | ST_NODEV | ST_NOSUID),
            unsigned{ST_RDONLY | ST_NODEV | ST_NOSUID});
  EXPECT_NE(::mkdir((target + "/new").c_str(), 0755), 0);
}

TEST_F(Fuse, EndsWithItsMount) {
  auto pid = server();
  ASSERT_GT(pid, 0);
  EXPECT_EQ(::kill(pid, SIGTERM), 0);
  EXPECT_EQ(wrong_files(), 0u) << "a signal does not take files away";
  auto unmounted = unmount_files(target);
  EXPECT_TRUE(unmounted) << to_string(unmounted.error());
  EXPECT_TRUE(await([&] { return server() == 0; }));
}

TEST_F(Fuse, IsMountedAgainWhenTheProcessWasKilled) {
  EXPECT_EQ(wrong_files(), 0u);
  EXPECT_FALSE(is_dead_mount(target));
  int open = ::open((target + "/d1/f1").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(open, 0);
  ASSERT_EQ(::kill(server(), SIGKILL), 0);
  ASSERT_TRUE(await([&] { return is_dead_mount(target); }));
  // What the kernel has not in memory is an error for those who have it open, not an endless wait.
  struct stat info {};
  EXPECT_NE(::stat((target + "/never-asked-for").c_str(), &info), 0);
  EXPECT_TRUE(errno == ENOTCONN ||
              errno == ECONNABORTED)  // the latter while the kernel still ends the connection
      << errno;
  auto unmounted = unmount_files(target, true);
  ASSERT_TRUE(unmounted) << to_string(unmounted.error());
  EXPECT_FALSE(is_dead_mount(target));
  mount();
  EXPECT_EQ(wrong_files(), 0u);
  ::close(open);
}

TEST_F(Fuse, MistakesAreSaid) {
  auto program = mount_files(file->paths(), target, MountMethod::fuse, {"/no/such/program"});
  EXPECT_THAT(program.error().detail, ::testing::HasSubstr("No such file"));
  auto no_target = mount_by_process({FILES_SERVER}, file->paths().folder, dir.path() + "/none");
  EXPECT_THAT(no_target.error().detail, ::testing::HasSubstr("No such file"));
  auto no_version = mount_by_process({FILES_SERVER}, dir.path() + "/none", target);
  EXPECT_THAT(no_version.error().detail, ::testing::HasSubstr("is no dataset version"));
}

}  // namespace
}  // namespace troupe::dataset
