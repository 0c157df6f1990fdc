// Starting processes beside their parent: what it may notice of them, and commands whose start
// takes long.
#include "runtime/process/spawn.hpp"

#include "runtime/process/raw_syscall.hpp"
#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

/// A command of its own whose exec stands still until released: the kernel lets nobody open a file
/// that another process holds a lease on.
class SlowCommand {
 public:
  explicit SlowCommand(const std::string& folder) : path_{folder + "/slow"} {
    std::filesystem::copy_file("/bin/sleep", path_);
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    // Whoever opens it has us told by a signal: by one that does nothing.
    leased_ =
        ::fcntl(fd_.get(), F_SETSIG, SIGURG) == 0 && ::fcntl(fd_.get(), F_SETLEASE, F_WRLCK) == 0;
  }
  bool leased() const { return leased_; }
  const std::string& path() const { return path_; }
  /// Until a child stands in exec.
  bool await_exec() const {
    return await([&] { return ::fcntl(fd_.get(), F_GETLEASE) != F_WRLCK; });
  }
  void release() { ::fcntl(fd_.get(), F_SETLEASE, F_UNLCK); }

 private:
  std::string path_;
  UniqueFd fd_;
  bool leased_ = false;
};

/// Connected, and with such a command in its folder.
struct SlowHarness : Harness {
  SlowHarness() { connect(); }
  /// The command as a run that stands in exec.
  bool start_slow(const std::string& seconds) {
    client->start(request("slow", {slow.path(), seconds}));
    return slow.await_exec();
  }

  SlowCommand slow{root};
};

#define SKIP_WITHOUT_LEASES(harness)                                                    \
  if (!TROUPE_RAW_SYSCALLS) GTEST_SKIP() << "here a start stands still until the exec"; \
  if (!(harness).slow.leased()) GTEST_SKIP() << "no leases on the file system of " << h.root

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  for (auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    if (auto facts = process_facts(pid); facts && facts->parent == parent) found.push_back(pid);
  }
  return found;
}

SpawnPlan plan_of(std::vector<std::string> argv, int null) {
  SpawnPlan plan;
  plan.process = {std::move(argv), {"PATH=/usr/bin:/bin"}, "/"};
  plan.marker = "spawn-test";
  plan.input = plan.output = plan.error = null;
  return plan;
}

TEST(Spawn, LeavesErrnoAndDescriptorsOfItsParentAlone) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer's books of this thread lie in the memory that a child shares";
#endif
  UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  Spawner spawner{0};
  auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {});
  };
  auto before = descriptors();
  for (int round = 0; round < 200; ++round) {
    auto good = plan_of({"true"}, null.get());
    auto bad = plan_of({"no-such-command-here"}, null.get());
    errno = 0;
    auto first = spawner.begin(std::move(good));
    auto second = spawner.begin(std::move(bad));
    ASSERT_TRUE(first && second);
    siginfo_t info{};
    for (auto pid : {first->pid(), second->pid()})
      EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(TROUPE_RAW_SYSCALLS ? errno : 0, 0);
    auto [good_pid, bad_pid] = std::pair{first->pid(), second->pid()};
    EXPECT_FALSE(spawner.finish(std::move(*first)));
    auto error = spawner.finish(std::move(*second));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->what, "command not found: no-such-command-here");
    int status = 0;
    EXPECT_EQ(::waitpid(good_pid, &status, 0), good_pid);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(::waitpid(bad_pid, &status, 0), bad_pid);
  }
  EXPECT_EQ(descriptors(), before);
}

/// Waits until it has ended, and what a shell would call its exit code then.
int exit_code_of(Spawner& spawner, Spawn spawn) {
  auto pid = spawn.pid();
  EXPECT_FALSE(spawner.finish(std::move(spawn)));
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// One that waits by now; 0: none do here.
pid_t park_one(Spawner& spawner) {
  auto pid = spawner.park({});
  EXPECT_TRUE(pid == 0 || await([&] { return spawner.waits(pid); }));
  return pid;
}

#define SKIP_WITHOUT_PARKING() \
  if (!TROUPE_RAW_SYSCALLS) GTEST_SKIP() << "here a start stands still until the exec"

TEST(ParkedSpawn, IsTheCommandsProcess) {
  SKIP_WITHOUT_PARKING();
  UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  Spawner spawner{0};
  auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {});
  };
  auto before = descriptors();
  for (int round = 0; round < 50; ++round) {
    auto parked = park_one(spawner);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd out{ends[0]}, in{ends[1]};
    auto plan = plan_of({"sh", "-c", "echo $$; cd /proc/self/fd && echo *; exit 7"}, null.get());
    plan.output = in.get();
    plan.parked = parked;
    errno = 0;
    auto spawn = spawner.begin(std::move(plan));
    in.reset();
    EXPECT_EQ(errno, 0);
    ASSERT_TRUE(spawn);
    EXPECT_EQ(spawn->pid(), parked);
    EXPECT_EQ(spawn->stamp().pid, parked);
    auto facts = process_facts(parked);
    ASSERT_TRUE(facts);
    EXPECT_GE(facts->start_ticks, spawn->stamp().ticks_min);
    EXPECT_LE(facts->start_ticks, spawn->stamp().ticks_max);
    EXPECT_FALSE(spawner.parked(parked));
    std::string text;
    char buffer[256];
    for (ssize_t n = 0; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    // The fourth is the folder being listed.
    EXPECT_THAT(text, testing::StartsWith(fmt::format("{}\n0 1 2", parked)));
    EXPECT_LE(text.size(), fmt::format("{}\n0 1 2 3 4\n", parked).size());
    EXPECT_EQ(exit_code_of(spawner, std::move(*spawn)), 7);
  }
  EXPECT_EQ(descriptors(), before);
}

TEST(ParkedSpawn, HoldsNothingOpenOfItsParents) {
  SKIP_WITHOUT_PARKING();
  Spawner spawner{0};
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd out{ends[0]}, in{ends[1]};
  park_one(spawner);
  char byte = 0;
  EXPECT_EQ(::read(out.get(), &byte, 1), -1);
  in.reset();
  EXPECT_EQ(::read(out.get(), &byte, 1), 0);
}

TEST(ParkedSpawn, OneThatCannotBeHadIsReplaced) {
  SKIP_WITHOUT_PARKING();
  UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  Spawner spawner{0};
  auto dead = park_one(spawner), stopped = park_one(spawner), unknown = pid_t{1};
  ASSERT_EQ(::kill(dead, SIGKILL), 0);
  ASSERT_EQ(::kill(stopped, SIGSTOP), 0);
  ASSERT_TRUE(await([&] {
    auto facts = process_facts(stopped);
    return !is_alive(dead) && facts && facts->state == 'T';
  }));
  for (auto parked : {dead, stopped, unknown}) {
    auto plan = plan_of({"sh", "-c", "exit 7"}, null.get());
    plan.parked = parked;
    auto spawn = spawner.begin(std::move(plan));
    ASSERT_TRUE(spawn);
    EXPECT_NE(spawn->pid(), parked);
    EXPECT_EQ(exit_code_of(spawner, std::move(*spawn)), 7);
  }
  for (auto parked : {dead, stopped}) {
    EXPECT_TRUE(spawner.parked(parked));
    EXPECT_EQ(::waitpid(parked, nullptr, 0), parked);
    spawner.died(parked);
    EXPECT_FALSE(spawner.parked(parked));
  }
}

TEST(ParkedSpawn, EndsWithItsSpawner) {
  SKIP_WITHOUT_PARKING();
  pid_t parked = 0;
  {
    Spawner spawner{0};
    parked = park_one(spawner);
    EXPECT_TRUE(is_alive(parked));
  }
  EXPECT_EQ(::kill(parked, 0), -1);
}

TEST(ParkedSpawn, TheNextRunOfItsKindHasOne) {
  SKIP_WITHOUT_PARKING();
  if (!probe_confinement().cpu()) GTEST_SKIP() << "no groups here: " << probe_confinement().note;
  Harness h;
  h.connect();
  // Asleep: who still enters a group cannot be woken.
  auto waiting = [&] {
    std::set<pid_t> found;
    for (auto pid : children_of(h.launcher_pid()))
      if (auto facts = process_facts(pid); facts && facts->state == 'S') found.insert(pid);
    return found;
  };
  std::set<pid_t> before;
  for (int round = 0; round < 3; ++round) {
    auto gang = h.shell(fmt::format("gang{}", round), "echo $$; sleep 0.05");
    gang.cpus = 1;
    gang.processes.push_back(gang.processes[0]);
    auto status = h.run(gang);
    EXPECT_EQ(status.state, RunState::ended);
    std::set<pid_t> pids{std::atoi(h.text_of(status.key, "0o").c_str()),
                         std::atoi(h.text_of(status.key, "1o").c_str())};
    if (round > 0) {
      EXPECT_EQ(pids, before);
    }
    // Two that wait in the groups of the next gang.
    ASSERT_TRUE(await([&] { return (before = waiting()).size() == 2; }));
  }
  ASSERT_EQ(::kill(h.launcher_pid(), SIGKILL), 0);
  EXPECT_TRUE(await([&] {
    return std::none_of(before.begin(), before.end(), [](pid_t pid) { return is_alive(pid); });
  }));
}

TEST(Spawn, AGangOfWhichOneCannotStartWasNeverRunning) {
  Harness h;
  h.connect();
  for (size_t broken = 0; broken < 3; ++broken) {
    auto gang = h.shell(fmt::format("gang{}", broken), "sleep 1000");
    gang.processes.push_back(gang.processes[0]);
    gang.processes.push_back(gang.processes[0]);
    gang.processes[broken].argv = {"no-such-command-here"};
    auto status = h.run(gang);
    EXPECT_EQ(status.state, RunState::not_started);
    EXPECT_EQ(status.error.value().what, "command not found: no-such-command-here");
    EXPECT_THAT(status.pids, IsEmpty());
    EXPECT_EQ(h.starts[status.key], 0);
    EXPECT_EQ(h.ends[status.key], 1);
  }
  EXPECT_TRUE(h.marked_gone());
}

TEST(Spawn, RanksRunOnTheirCpusAndTakeMemoryFromTheirNodes) {
  cpu_set_t usable;
  ASSERT_EQ(::sched_getaffinity(0, sizeof usable, &usable), 0);
  uint32_t first = 0;
  while (!CPU_ISSET(first, &usable)) ++first;
  Harness h;
  h.connect();
  auto cpus_are = [&](const std::string& list) {
    return "test \"$(grep Cpus_allowed_list: /proc/self/status | cut -f2)\" = " + list;
  };
  auto gang = h.shell("bound", cpus_are(std::to_string(first)));
  gang.processes[0].cpus = {first};
  gang.processes.push_back(gang.processes[0]);
  gang.processes[1].cpus.clear();
  gang.processes[1].argv.back() = "! (" + cpus_are(std::to_string(first)) + ")";
  if (CPU_COUNT(&usable) == 1) gang.processes.pop_back();
  auto status = h.run(gang);
  for (const auto& exit : status.exits) EXPECT_EQ(exit.code, 0);
  // A CPU that is not there binds to nothing.
  auto lost = h.shell("lost", "exit 7");
  lost.processes[0].cpus = {60'000};
  EXPECT_EQ(h.run(lost).exits.at(0).code, 7);
  if (::access("/proc/self/numa_maps", R_OK) != 0) GTEST_SKIP() << "a kernel without NUMA";
  auto memory = h.shell("memory", "grep -q prefer /proc/self/numa_maps");
  memory.processes[0].cpus = {first};
  memory.processes[0].memory = {0};
  EXPECT_EQ(h.run(memory).exits.at(0).code, 0);
}

TEST(Spawn, ManyAtOnce) {
  Harness h;
  h.connect();
  for (int i = 0; i < 200; ++i)
    h.client->start(i % 4 == 3 ? h.request(fmt::format("r{}", i), {"./no-such-file"})
                               : h.shell(fmt::format("r{}", i), fmt::format("exit {}", i % 100)));
  auto gang = h.shell("gang", "echo up");
  gang.processes.resize(100, gang.processes[0]);
  h.client->start(gang);
  for (int i = 0; i < 200; ++i) {
    auto status = h.end_of(fmt::format("r{}", i));
    EXPECT_EQ(h.ends[status.key], 1);
    if (i % 4 == 3) {
      EXPECT_EQ(status.state, RunState::not_started);
      EXPECT_EQ(h.starts[status.key], 0);
    } else {
      EXPECT_EQ(status.exits.at(0).code, i % 100);
      EXPECT_LE(h.starts[status.key], 1);  // the short are told by their end alone
    }
  }
  EXPECT_EQ(h.end_of("gang").exits.size(), 100u);
  for (int rank = 0; rank < 100; ++rank)
    EXPECT_EQ(h.text_of("gang", fmt::format("{}o", rank)), "up\n");
}

TEST(Spawn, ASlowStartDelaysNobody) {
  SlowHarness h;
  SKIP_WITHOUT_LEASES(h);
  ASSERT_TRUE(h.start_slow("0"));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(h.run(h.shell(fmt::format("quick{}", i), "exit 3")).exits.at(0).code, 3);
  h.client->start(h.request("slow", {h.slow.path(), "0"}));  // asked again: still one run
  EXPECT_EQ(h.starts["slow"], 0);
  EXPECT_EQ(h.ends["slow"], 0);
  h.slow.release();
  EXPECT_EQ(h.end_of("slow").exits.at(0).code, 0);
  EXPECT_EQ(h.starts["slow"], 1);
}

TEST(Spawn, CanBeStoppedBeforeItsCommandRuns) {
  SlowHarness h;
  SKIP_WITHOUT_LEASES(h);
  auto gang = h.shell("slow", "sleep 1000");
  gang.processes.push_back(gang.processes[0]);
  gang.processes[1].argv = {h.slow.path(), "1000"};
  h.client->start(gang);
  ASSERT_TRUE(h.slow.await_exec());
  h.client->stop("slow", 60s);
  auto status = h.end_of("slow");
  EXPECT_TRUE(status.stopped);
  EXPECT_EQ(status.state, RunState::ended);
  EXPECT_EQ(status.exits.at(0).signal, SIGTERM);
  EXPECT_EQ(status.exits.at(1).signal, SIGTERM);
  EXPECT_TRUE(h.marked_gone());
}

TEST(Spawn, DiesWithTheLauncherBeforeItsCommandRuns) {
  SlowHarness h;
  SKIP_WITHOUT_LEASES(h);
  ASSERT_TRUE(h.start_slow("1000"));
  auto launcher = h.launcher_pid();
  auto children = children_of(launcher);
  ASSERT_EQ(children.size(), 1u);
  ::kill(launcher, SIGKILL);
  EXPECT_TRUE(await([&] { return !is_alive(children[0]); }));
  h.slow.release();
  auto status = h.end_of("slow");
  EXPECT_EQ(status.error.value().detail, "the launcher died");
  EXPECT_TRUE(h.marked_gone());
}

TEST(Spawn, IsKnownToAWorkerThatComesBackMeanwhile) {
  SlowHarness h;
  SKIP_WITHOUT_LEASES(h);
  ASSERT_TRUE(h.start_slow("0"));
  h.client.reset();
  h.connect();
  // However long it takes, the worker learns of its other runs.
  ASSERT_TRUE(h.wait([&] { return h.connections == 2; }));
  EXPECT_EQ(h.start_of("slow").state, RunState::running);
  h.slow.release();
  EXPECT_EQ(h.end_of("slow").exits.at(0).code, 0);
  EXPECT_EQ(h.ends["slow"], 1);
}

}  // namespace
}  // namespace troupe::process
