// Mounts that runs have for themselves: what they see, what nobody else sees, and that nothing of
// it is left however a run ends.
#include "runtime/process/run_mounts.hpp"

#include "runtime/process/raw_syscall.hpp"
#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <sys/mount.h>
#include <unistd.h>

namespace troupe::process {
namespace {

namespace fs = std::filesystem;
using namespace std::literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string mounts_of(const std::string& process = "self") {
  return read_file("/proc/" + process + "/mountinfo", 8 << 20).value_or("");
}

class RunMounts : public ::testing::Test, protected Harness {
 protected:
  /// How many processes of this test live in that mount namespace. The kernel gives the number of
  /// one that is gone to the next one, which may be another test's.
  size_t living_in(const std::string& name) const {
    auto pids = marked(mark);
    return static_cast<size_t>(std::count_if(pids.begin(), pids.end(), [&](pid_t pid) {
      std::error_code none;
      return fs::read_symlink(fmt::format("/proc/{}/ns/mnt", pid), none) == name;
    }));
  }
  void SetUp() override {
    auto may = probe_private_mounts(root);
    EXPECT_TRUE(fs::is_empty(root));
    if (may.denied) GTEST_SKIP() << to_string(*may.denied);
    overlays = !may.no_overlay;
    for (const auto* name : {"source", "target", "upper", "work"})
      fs::create_directories(path(name));
    std::ofstream{path("source/file")} << "from the source\n";
    connect();
  }
  std::string path(const std::string& name) const { return root + "/" + name; }
  RunRequest mounted(const std::string& key, const std::string& script, bool writable = false) {
    auto made = shell(key, script);
    made.mounts.push_back({path("source"), path("target"), writable ? path("upper") : "",
                           writable ? path("work") : ""});
    return made;
  }
  bool visible_outside() const { return mounts_of().find(root) != std::string::npos; }

  bool overlays = false;
};

TEST_F(RunMounts, AreSeenByTheRunAlone) {
  auto ended =
      run(mounted("a", "cat target/file; touch target/new 2>&1 || echo refused; grep -c \"" +
                           path("target") + "\" /proc/self/mountinfo"));
  EXPECT_EQ(ended.exits.at(0).code, 0);
  EXPECT_THAT(text_of("a"), HasSubstr("from the source\n"));
  EXPECT_THAT(text_of("a"), HasSubstr("Read-only file system\nrefused\n1\n"));
  client->start(mounted("b", "cat target/file; sleep 1000"));
  auto pid = start_of("b").pids.at(0);
  EXPECT_TRUE(await([&] { return text_of("b") == "from the source\n"; }));
  EXPECT_THAT(mounts_of(std::to_string(pid)), HasSubstr(path("target")));
  EXPECT_FALSE(visible_outside());
  EXPECT_TRUE(fs::is_empty(path("target")));
  client->stop("b", 0ms);
  end_of("b");
}

TEST_F(RunMounts, AreSharedByAllProcessesOfTheRun) {
  auto gang = mounted("gang", "readlink /proc/self/ns/mnt; cat target/file");
  for (int i = 0; i < 7; ++i) gang.processes.push_back(gang.processes[0]);
  auto ended = run(gang);
  ASSERT_EQ(ended.exits.size(), 8u);
  auto first = text_of("gang", "0o");
  EXPECT_THAT(first, HasSubstr("from the source"));
  EXPECT_NE(first.substr(0, first.find('\n')), fs::read_symlink("/proc/self/ns/mnt").string());
  for (int rank = 1; rank < 8 && TROUPE_RAW_SYSCALLS; ++rank)
    EXPECT_EQ(text_of("gang", fmt::format("{}o", rank)), first) << rank;
  EXPECT_FALSE(visible_outside());
}

TEST_F(RunMounts, TakeWhatIsWrittenWhereItIsWanted) {
  if (!overlays) GTEST_SKIP() << "no overlays here";
  auto ended = run(mounted("a",
                           "echo mine >> target/file && rm -f target/none && cat target/file && "
                           "echo new > target/new",
                           true));
  EXPECT_EQ(ended.exits.at(0).code, 0) << text_of("a", "0e");
  EXPECT_EQ(text_of("a"), "from the source\nmine\n");
  EXPECT_EQ(read_file(path("source/file")).value_or(""), "from the source\n");
  EXPECT_FALSE(fs::exists(path("source/new")));
  EXPECT_TRUE(fs::is_empty(path("target")));
  // The next line of the job goes on with it.
  EXPECT_EQ(run(mounted("b", "cat target/new", true)).exits.at(0).code, 0);
  EXPECT_EQ(text_of("b"), "new\n");
}

TEST_F(RunMounts, MayHaveOddNames) {
  if (!overlays) GTEST_SKIP() << "no overlays here";
  auto odd = path("so,u:r\\ce ");
  fs::create_directories(odd + "/upper,");
  fs::create_directories(odd + "/work:");
  fs::rename(path("source"), odd + "/lower");
  auto request = shell("a", "cat target/file; echo x > target/y");
  request.mounts.push_back({odd + "/lower", path("target"), odd + "/upper,", odd + "/work:"});
  EXPECT_EQ(run(request).exits.at(0).code, 0) << text_of("a", "0e");
  EXPECT_EQ(text_of("a"), "from the source\n");
  EXPECT_EQ(read_file(odd + "/upper,/y").value_or(""), "x\n");
}

TEST_F(RunMounts, SayWhichOfThemFailed) {
  auto request = mounted("a", "true");
  request.mounts.push_back({path("nowhere"), path("source"), "", ""});
  for (int i = 0; i < 3; ++i) request.processes.push_back(request.processes[0]);
  auto ended = run(request);
  EXPECT_EQ(ended.state, RunState::not_started);
  ASSERT_TRUE(ended.error);
  EXPECT_EQ(ended.error->what, "source cannot be mounted for the job");
  EXPECT_THAT(ended.error->detail, HasSubstr(path("nowhere")));
  EXPECT_THAT(ended.error->detail, HasSubstr("No such file"));
  EXPECT_THAT(ended.error->hint, HasSubstr("troupe doctor"));
  EXPECT_TRUE(marked_gone());
  EXPECT_FALSE(visible_outside());
}

TEST_F(RunMounts, AreGoneHoweverTheRunEnds) {
  // With one in a session of its own, which has left its parent behind.
  auto script = "readlink /proc/self/ns/mnt; cat target/file; (setsid sleep 1000 &) ; sleep 1000";
  auto begin = [&](const std::string& key) {
    client->start(mounted(key, script));
    EXPECT_TRUE(await([&] { return text_of(key).ends_with("source\n"); }));
    auto text = text_of(key);
    return text.substr(0, text.find('\n'));
  };
  auto killed = begin("killed");
  EXPECT_TRUE(await([&] { return living_in(killed) >= 2; }));
  ::kill(start_of("killed").pids.at(0), SIGKILL);
  EXPECT_EQ(end_of("killed").exits.at(0).signal, SIGKILL);
  EXPECT_EQ(living_in(killed), 0u);
  auto stopped = begin("stopped");
  client->stop("stopped", 0ms);
  end_of("stopped");
  EXPECT_EQ(living_in(stopped), 0u);
  auto orphaned = begin("orphaned");
  ::kill(launcher_pid(), SIGKILL);
  EXPECT_EQ(end_of("orphaned").error.value().detail, "the launcher died");
  EXPECT_EQ(living_in(orphaned), 0u);
  EXPECT_FALSE(visible_outside());
  EXPECT_TRUE(fs::is_empty(path("target")));
}

TEST_F(RunMounts, KeepNothingOfWhatIsHidden) {
  auto hidden = path("hidden");
  fs::create_directories(hidden);
  ASSERT_EQ(::mount(hidden.c_str(), hidden.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, hidden.c_str(), nullptr, MS_PRIVATE, nullptr), 0);
  for (const auto* name : {"/own", "/other"}) {
    fs::create_directories(hidden + name);
    ASSERT_EQ(::mount("tmpfs", (hidden + name).c_str(), "tmpfs", 0, nullptr), 0);
    std::ofstream{hidden + name + "/file"} << name;
  }
  auto request = shell("a", "cat target/file; ls hidden; cat /proc/self/mountinfo; sleep 1000");
  request.mounts.push_back({hidden + "/own", path("target"), "", ""});
  request.hidden = hidden;
  client->start(request);
  EXPECT_TRUE(await([&] { return text_of("a").find("/proc") != std::string::npos; }));
  // Folders are there, and nothing in them.
  EXPECT_THAT(text_of("a"), StartsWith("/ownother\nown\n"));
  EXPECT_THAT(text_of("a"), Not(HasSubstr("hidden/other")));
  EXPECT_THAT(text_of("a"), Not(HasSubstr(hidden + " ")));
  client->stop("a", 0ms);
  end_of("a");
  EXPECT_EQ(::umount2(hidden.c_str(), MNT_DETACH), 0);
  EXPECT_FALSE(visible_outside());
}

TEST_F(RunMounts, HoldNobodyUpWhenARunIsStoppedAtItsBegin) {
  for (int i = 0; i < 20; ++i) {
    auto key = fmt::format("gang{}", i);
    auto gang = mounted(key, "sleep 1000");
    for (int rank = 0; rank < 5; ++rank) gang.processes.push_back(gang.processes[0]);
    client->start(gang);
    client->stop(key, 0ms);
    auto ended = end_of(key);
    EXPECT_TRUE(ended.stopped);
    EXPECT_FALSE(ended.error);
  }
  EXPECT_TRUE(marked_gone());
}

}  // namespace
}  // namespace troupe::process
