// What survives the death of the worker, of the launcher, and of both again and again.
#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>

#include <random>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace troupe::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

pid_t spawn(std::vector<std::string> argv) {
  std::vector<char*> pointers;
  for (auto& text : argv) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ), 0);
  return pid;
}

int exit_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}\n", i);
  return text;
}

TEST(LauncherDeath, AWorkersDeathDisturbsNoRun) {
  Harness h;
  ::setenv("LAUNCHER_PROGRAM", LAUNCHER_PROGRAM, 1);
  auto worker =
      spawn({WORKER_PROGRAM, h.dir, h.log_dir("adopted"),
             "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); sleep 0.002; done; exit 7"});
  ASSERT_TRUE(await([&] { return !h.log_of("adopted").empty(); }));
  ::kill(worker, SIGKILL);
  EXPECT_EQ(exit_of(worker), -SIGKILL);
  auto launcher = h.launcher_pid();
  h.connect();
  auto adopted = h.start_of("adopted");
  EXPECT_EQ(adopted.state, RunState::running);
  EXPECT_TRUE(is_alive(adopted.pids.at(0)));
  auto status = h.end_of("adopted");
  EXPECT_EQ(status.exits.at(0).code, 7);
  EXPECT_EQ(h.text_of("adopted"), numbers(300));
  EXPECT_EQ(h.launcher_pid(), launcher);
}

TEST(LauncherDeath, AnEndWithoutAnyClientIsKept) {
  Harness h{200};
  h.connect();
  h.client->start(h.shell("alone", "sleep 0.3; echo late; exit 11"));
  h.start_of("alone");
  h.client.reset();
  // It ends, and so does the launcher, having nothing left to do.
  ASSERT_TRUE(await([&] { return !is_alive(h.launcher_pid()); }));
  h.runs.clear();
  h.connect();
  EXPECT_EQ(h.end_of("alone").exits.at(0).code, 11);
  EXPECT_EQ(h.text_of("alone"), "late\n");
}

TEST(LauncherDeath, LeavesNoProcessAndSaysSo) {
  Harness h;
  h.connect();
  h.run(h.shell("before", "exit 4"));
  h.client->start(h.shell("lost", R"(trap '' TERM; sleep 1000 & setsid sleep 1001 &
    (setsid sh -c 'setsid sleep 1002 & sleep 1003' &); echo up; sleep 1004)"));
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("lost"); }));
  ::kill(h.launcher_pid(), SIGKILL);
  ASSERT_TRUE(h.wait([&] { return h.connections == 2; }));
  auto lost = h.end_of("lost");
  EXPECT_EQ(h.losses, 1);
  ASSERT_TRUE(lost.error);
  EXPECT_EQ(lost.error->code, Errc::failed);
  EXPECT_EQ(lost.error->detail, "the launcher died");
  EXPECT_EQ(lost.state, RunState::ended);
  EXPECT_TRUE(marked(h.mark).empty());  // gone before it was told
  EXPECT_EQ(h.end_of("before").exits.at(0).code, 4);
  EXPECT_EQ(h.run(h.shell("after", "exit 6")).exits.at(0).code, 6);
}

TEST(LauncherDeath, LeavesNoDaemonThatClearedItsEnvironment) {
  Harness h;
  h.connect();
  auto seconds = seconds_of_its_own(1007, h.mark);
  h.client->start(
      h.shell("away", "setsid sh -c 'env -i /bin/sleep " + seconds + " &'; echo up; sleep 1000"));
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("away"); }));
  ASSERT_TRUE(await([&] { return with_argument(seconds).size() == 1; }));
  ::kill(h.launcher_pid(), SIGKILL);
  ASSERT_TRUE(h.wait([&] { return h.connections == 2; }));
  h.end_of("away");
  EXPECT_TRUE(with_argument(seconds).empty());  // gone before it was told
}

TEST(LauncherDeath, KillsAtRandomMomentsLoseAndDoubleNothing) {
  Harness h;
  auto seed = std::random_device{}();
  if (auto* given = std::getenv("TROUPE_TEST_SEED")) seed = std::strtoul(given, nullptr, 10);
  SCOPED_TRACE(fmt::format("TROUPE_TEST_SEED={}", seed));
  std::mt19937 random{seed};
  h.connect();
  int started = 0;
  for (int round = 0; round < 25; ++round) {
    for (int i = 0; i < 8; ++i) {
      auto key = fmt::format("r{}", started++);
      // Each says that it ran in a file of its own: a second time would be seen.
      h.client->start(
          h.shell(key, fmt::format("echo x >>{}/ran-{}; setsid sleep 1000 & sleep 0.0{}; exit 3",
                                   h.root, key, random() % 10)));
    }
    // tidy: allow sleep: the random moment is what is tested
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 40'000});
    if (random() % 2 == 0) {
      ASSERT_TRUE(await([&] { return h.launcher_pid() > 0; }));
      ::kill(h.launcher_pid(), SIGKILL);
    } else {
      h.client.reset();
      h.connect();
      for (int again = 0; again < started; ++again) {
        // The worker asks again for what it has no answer to.
        std::lock_guard lock{h.mutex};
        auto key = fmt::format("r{}", again);
        if (!h.runs.contains(key)) h.client->start(h.shell(key, "exit 3"));
      }
    }
  }
  for (int i = 0; i < started; ++i) {
    auto key = fmt::format("r{}", i);
    auto status = h.end_of(key);
    if (status.error) {
      EXPECT_EQ(status.error->detail, "the launcher died");
    } else {
      EXPECT_EQ(status.exits.at(0).code, 3) << key;
    }
  }
  EXPECT_TRUE(h.marked_gone());
}

TEST(LauncherDeath, NeverHitsANumberThatWasGivenAgain) {
  auto pid = spawn({"/bin/sleep", "1000"});
  auto ticks = process_facts(pid)->start_ticks;
  // A run once had this number, but began before or after what has it now.
  std::vector<ProcessStamp> others{{pid, ticks - 500, ticks - 1}, {pid, ticks + 1, ticks + 500}};
  EXPECT_EQ(kill_marked({"+no-such-marker", 0, 0, others}), 0u);
  EXPECT_TRUE(is_alive(pid));
  EXPECT_EQ(kill_marked({"+no-such-marker", 0, 0, {{pid, ticks, ticks}}}), 1u);
  EXPECT_EQ(exit_of(pid), -SIGKILL);
}

TEST(LauncherDeath, AFolderHasOneLauncher) {
  Harness h;
  h.connect();
  h.run(h.shell("a", ""));
  EXPECT_EQ(exit_of(spawn({LAUNCHER_PROGRAM, h.dir})), 5);
  EXPECT_EQ(h.run(h.shell("b", "exit 2")).exits.at(0).code, 2);
}

TEST(LauncherDeath, EndsWhenItsFolderIsGone) {
  Harness h;
  h.connect();
  h.client->start(h.shell("long", "sleep 1000"));
  h.start_of("long");
  auto pid = h.launcher_pid();
  h.client.reset();
  ASSERT_TRUE(remove_tree(h.dir));
  EXPECT_TRUE(await([&] { return !is_alive(pid); }));
  EXPECT_TRUE(h.marked_gone());
}

TEST(LauncherDeath, GarbageOnTheSocketEndsOnlyThatConnection) {
  Harness h;
  h.connect();
  h.client->start(h.shell("long", "sleep 1000"));
  h.start_of("long");
  auto pid = h.launcher_pid();
  h.client.reset();
  std::mt19937 random{7};
  for (int round = 0; round < 50; ++round) {
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (h.dir + "/launcher.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    auto body = random_bytes(random() % 3000);
    // Half of it well framed, so that it reaches the decoding of requests; 4 would be an honest
    // order to end.
    auto bytes = round % 2 == 0 ? body : frame(static_cast<FrameType>(random() % 4), body);
    (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(fd.get(), SHUT_WR);
    char sink[4096];
    while (::read(fd.get(), sink, sizeof sink) > 0) {
    }
  }
  EXPECT_TRUE(is_alive(pid));
  h.connect();
  ASSERT_TRUE(h.wait([&] { return h.connections == 2; }));
  EXPECT_EQ(h.start_of("long").state, RunState::running);
}

}  // namespace
}  // namespace troupe::process
