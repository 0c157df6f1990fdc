// Runs of real processes through a real launcher.
#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>

namespace troupe::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Launcher, TellsExitCodesAndSignals) {
  Harness h;
  h.connect();
  auto good = h.run(h.shell("good", "exit 0"));
  EXPECT_EQ(good.state, RunState::ended);
  EXPECT_EQ(good.exits.at(0).code, 0);
  EXPECT_EQ(good.first_failed, -1);
  EXPECT_GE(good.ended, good.started);
  auto bad = h.run(h.shell("bad", "exit 42"));
  EXPECT_EQ(bad.exits.at(0).code, 42);
  EXPECT_EQ(bad.first_failed, 0);
  EXPECT_EQ(h.run(h.shell("segv", "kill -SEGV $$")).exits.at(0).signal, SIGSEGV);
}

TEST(Launcher, SaysWhyACommandCannotStart) {
  Harness h;
  h.connect();
  auto missing = h.run(h.request("missing", {"no-such-command-here"}));
  EXPECT_EQ(missing.state, RunState::not_started);
  ASSERT_TRUE(missing.error);
  EXPECT_EQ(missing.error->what, "command not found: no-such-command-here");
  std::ofstream{h.root + "/plain"} << "text";
  auto plain = h.run(h.request("plain", {"./plain"}));
  ASSERT_TRUE(plain.error);
  EXPECT_THAT(plain.error->what, HasSubstr("cannot be run"));
  EXPECT_THAT(plain.error->hint, HasSubstr("chmod"));
  auto away = h.shell("away", "true");
  away.processes[0].cwd = "/no/such/folder";
  EXPECT_THAT(h.run(away).error.value().what, HasSubstr("/no/such/folder"));
  auto gang = h.shell("gang", "sleep 1000");
  gang.processes.push_back(gang.processes[0]);
  gang.processes[1].argv = {"no-such-command-here"};
  EXPECT_EQ(h.run(gang).state, RunState::not_started);
  EXPECT_TRUE(h.marked_gone());
}

/// `ls` stands in no pipeline: a shell holds its ends for a moment, and they would be counted.
TEST(Launcher, GivesAJobACleanSurrounding) {
  Harness h;
  h.connect();
  auto status = h.run(h.shell("clean", R"(
    grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
    ls -m /proc/$$/fd
    readlink /proc/$$/fd/0; pwd; env | grep -c TEST_MARK
    [ $(ps -o sid= -p $$) -eq $$ ] && echo leader)"));
  EXPECT_EQ(status.exits.at(0).code, 0);
  auto text = h.text_of("clean");
  EXPECT_THAT(text, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(text, HasSubstr("SigIgn:\t0000000000000000"));
  EXPECT_THAT(text, HasSubstr("/dev/null\n" + h.root + "\n1\n"));
  EXPECT_THAT(text, HasSubstr("\n0, 1, 2\n"));
  EXPECT_THAT(text, HasSubstr("leader"));
}

std::chrono::nanoseconds in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now().time_since_epoch() + time;
}

TEST(Launcher, KillsWhoseLeaseRanOutWhateverBecomesOfTheWorker) {
  Harness h;
  h.connect();
  auto leased = h.shell("leased", "(trap '' TERM; setsid sleep 1000) & echo up; sleep 1000");
  leased.lease_until = in(1500ms);
  h.client->start(h.shell("free", "echo up; sleep 1000"));
  h.client->start(leased);
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("leased") && h.logged.contains("free"); }));
  auto pid = h.start_of("leased").pids.at(0);
  h.client.reset();  // the worker is gone
  ASSERT_TRUE(await([&] { return !is_alive(pid); })) << "nobody is there to ask for it";
  h.connect();
  auto ended = h.end_of("leased");
  EXPECT_TRUE(ended.stopped);
  EXPECT_EQ(ended.exits.at(0).signal, SIGKILL);
  std::lock_guard lock{h.mutex};
  EXPECT_EQ(h.runs.at("free").state, RunState::running);
}

TEST(Launcher, LetsLiveWhoseLeaseIsRenewed) {
  Harness h;
  h.connect();
  auto renewed = h.shell("renewed", "echo up; sleep 1000");
  renewed.lease_until = in(1500ms);
  h.client->start(renewed);
  for (int i = 0; i < 10; ++i) {
    h.client->renew(in(1500ms));
    // tidy: allow sleep: what does not happen in this time is the test
    std::this_thread::sleep_for(300ms);
  }
  {
    std::lock_guard lock{h.mutex};
    EXPECT_EQ(h.runs.at("renewed").state, RunState::running);
  }
  EXPECT_TRUE(h.end_of("renewed").stopped) << "it ends when nobody renews it any more";
}

/// Otherwise who is just being stopped would outlive its lease by as long as it was given.
TEST(Launcher, AGraceIsNoLongerThanTheLease) {
  Harness h;
  h.connect();
  auto leased = h.shell("leased", "trap '' TERM; echo up; while :; do sleep 1; done");
  leased.lease_until = in(2000ms);
  h.client->start(leased);
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("leased"); }));
  h.client->stop("leased", std::chrono::hours{1});
  EXPECT_EQ(h.end_of("leased").exits.at(0).signal, SIGKILL);
}

TEST(Launcher, DoesNotStartWhoseLeaseIsOver) {
  Harness h;
  h.connect();
  auto late = h.shell("late", "echo up");
  late.lease_until = in(-1ms);
  h.client->start(late);
  auto status = h.end_of("late");
  EXPECT_EQ(status.state, RunState::ended) << "and not its own fault";
  ASSERT_TRUE(status.error);
  EXPECT_THAT(status.error->detail, HasSubstr("lease"));
}

TEST(Launcher, StopsPolitelyThenByForce) {
  Harness h;
  h.connect();
  h.client->start(
      h.shell("polite", "trap 'echo saved; exit 3' TERM; echo up; while :; do sleep 0.01; done"));
  h.client->start(h.shell("deaf", "trap '' TERM; echo up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("polite") && h.logged.contains("deaf"); }));
  h.client->stop("polite", 60s);
  auto polite = h.end_of("polite");
  EXPECT_TRUE(polite.stopped);
  EXPECT_EQ(polite.exits.at(0).code, 3);
  EXPECT_EQ(h.text_of("polite"), "up\nsaved\n");
  h.client->stop("deaf", 60s);
  h.client->stop("deaf", 50ms);  // only ever shortens
  h.client->stop("deaf", 60s);
  auto deaf = h.end_of("deaf");
  EXPECT_EQ(deaf.exits.at(0).signal, SIGKILL);
  EXPECT_TRUE(h.marked_gone());
}

TEST(Launcher, LeavesNothingOfATreeBehind) {
  Harness h;
  h.connect();
  auto seconds = seconds_of_its_own(1005, h.mark);
  // In the background; in a session of its own; twice forked; without its environment; deaf.
  auto status = h.run(h.shell("tree", R"(
    sleep 1000 &
    setsid sleep 1001 &
    (setsid sh -c 'setsid sleep 1002 & setsid sh -c "trap \"\" TERM; sleep 1003; :" & sleep 1004' &)
    env -i /usr/bin/setsid /bin/sleep )" + seconds +
                                          R"( &
    sleep 0.2; echo left; exit 5)"));
  EXPECT_EQ(status.exits.at(0).code, 5);
  EXPECT_EQ(h.text_of("tree"), "left\n");
  EXPECT_TRUE(h.marked_gone());
  EXPECT_TRUE(with_argument(seconds).empty());
}

TEST(Launcher, FindsADaemonWithoutSessionAndEnvironmentBesideANeighbour) {
  Harness h;
  h.connect();
  h.client->start(h.shell("neighbour", "echo up; sleep 1000"));
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("neighbour"); }));
  auto seconds = seconds_of_its_own(1006, h.mark);
  // Gone before any limit is put on the run, so no cgroup can tell.
  auto status = h.run(h.shell("away", "setsid sh -c 'env -i /bin/sleep " + seconds + " &'"));
  EXPECT_EQ(status.exits.at(0).code, 0);
  EXPECT_TRUE(await([&] { return with_argument(seconds).empty(); }));
  EXPECT_EQ(h.runs["neighbour"].state, RunState::running);
}

TEST(Launcher, KeepsDaemonsOfOtherRunsAlive) {
  Harness h;
  h.connect();
  h.client->start(h.shell("long", "setsid sh -c 'sleep 1000' & echo $!; sleep 1000"));
  ASSERT_TRUE(h.wait([&] { return h.logged.contains("long"); }));
  for (int i = 0; i < 20; ++i) h.run(h.shell(fmt::format("short{}", i), "setsid sleep 1000 & :"));
  EXPECT_GE(marked(h.mark).size(), 3u);
  h.client->stop("long", 10s);
  h.end_of("long");
  EXPECT_TRUE(h.marked_gone());
}

TEST(Launcher, EndsAGangWhenOneRankFails) {
  Harness h;
  h.connect();
  auto gang = h.shell("gang", "sleep 1000");
  gang.processes.push_back(gang.processes[0]);
  gang.processes.push_back(gang.processes[0]);
  gang.processes[1].argv = {"sh", "-c", "echo dying >&2; exit 9"};
  auto status = h.run(gang);
  ASSERT_EQ(status.exits.size(), 3u);
  EXPECT_EQ(status.first_failed, 1);
  EXPECT_EQ(status.exits[1].code, 9);
  EXPECT_EQ(status.exits[0].signal, SIGTERM);
  EXPECT_EQ(status.exits[2].signal, SIGTERM);
  EXPECT_FALSE(status.stopped);
  EXPECT_EQ(h.text_of("gang", "1e"), "dying\n");
}

TEST(Launcher, StartingAKnownRunAgainChangesNothing) {
  Harness h;
  h.connect();
  for (int i = 0; i < 3; ++i) h.client->start(h.shell("once", "echo ran"));
  h.end_of("once");
  h.client->start(h.shell("once", "echo ran"));
  h.run(h.shell("after", ""));
  EXPECT_EQ(h.text_of("once"), "ran\n");
  h.client->forget("once");
  h.client->forget("after");
  h.client.reset();
  h.runs.clear();
  h.connect();
  ASSERT_TRUE(h.wait([&] { return h.connections == 2; }));
  EXPECT_TRUE(h.runs.empty());
}

TEST(Launcher, ShowsAPromptAndClosesIt) {
  Harness h;
  h.connect();
  h.client->start(
      h.shell("prompt", "printf 'name? '; while [ ! -e go ]; do sleep 0.01; done; echo x"));
  ASSERT_TRUE(
      await([&] { return h.log_of("prompt").find(" 0o P name? \n") != std::string::npos; }));
  std::ofstream{h.root + "/go"} << "";
  h.end_of("prompt");
  EXPECT_EQ(h.text_of("prompt"), "name? x\n");
}

TEST(Launcher, KeepsBinaryAndLongLinesWhole) {
  Harness h;
  h.connect();
  h.run(h.shell("binary", R"(printf 'a\0b\r\n\377\376'; printf 'last')"));
  EXPECT_EQ(h.text_of("binary"), std::string("a\0b\r\n\377\376last\n", 12));
  auto status = h.run(h.shell("long", "head -c 100000000 /dev/zero | tr '\\0' x; echo end"));
  EXPECT_EQ(status.exits.at(0).code, 0);
  uintmax_t disk = 0;
  for (auto& file : std::filesystem::directory_iterator{h.log_dir("long")})
    disk += file.file_size();
  EXPECT_LT(disk, 66u << 20);
  EXPECT_GT(disk, 40u << 20);
  EXPECT_THAT(h.text_of("long"), testing::EndsWith("xxxend\n"));
}

TEST(Launcher, BoundsAFloodAndLosesNothingOfNeighbours) {
  Harness h;
  h.connect();
  auto flood = h.shell("flood", "head -c 1G /dev/zero");
  flood.log_bytes_max = 4u << 20;
  h.client->start(flood);
  std::string expected;
  for (int i = 0; i < 400; ++i) expected += fmt::format("line {}\n", i);
  for (int i = 0; i < 3; ++i)
    h.client->start(
        h.shell(fmt::format("n{}", i),
                "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.001; done"));
  for (int i = 0; i < 3; ++i) {
    h.end_of(fmt::format("n{}", i));
    EXPECT_EQ(h.text_of(fmt::format("n{}", i)), expected);
  }
  auto status = h.end_of("flood");
  EXPECT_EQ(status.exits.at(0).code, 0);
  EXPECT_GT(status.log_bytes, 1u << 30);
  uintmax_t disk = 0;
  for (auto& file : std::filesystem::directory_iterator{h.log_dir("flood")})
    disk += file.file_size();
  EXPECT_LT(disk, (4u << 20) + (512u << 10));
  EXPECT_THAT(h.log_of("flood"), HasSubstr("of output dropped here: over the limit of 4 MiB"));
}

TEST(Launcher, WritesNoLogForASilentRun) {
  Harness h;
  h.connect();
  EXPECT_EQ(h.run(h.request("silent", {"true"})).log_bytes, 0u);
  EXPECT_FALSE(std::filesystem::exists(h.log_dir("silent")));
}

TEST(Launcher, RefusesToShutDownWhileRunsLive) {
  Harness h;
  h.connect();
  h.client->start(h.shell("long", "sleep 1000"));
  h.start_of("long");
  auto pid = h.launcher_pid();
  EXPECT_EQ(h.client->shutdown_launcher(false).error().code, Errc::conflict);
  EXPECT_TRUE(is_alive(pid));
  EXPECT_TRUE(h.client->shutdown_launcher(true));
  EXPECT_TRUE(await([&] { return !is_alive(pid); }));
  EXPECT_TRUE(h.marked_gone());
}

TEST(Launcher, LimitsFromTheFirstInstructionOn) {
  auto confinement = probe_confinement();
  if (!confinement.processes()) GTEST_SKIP() << "no group with a limit of processes";
  Harness h;
  h.connect();
  // What it forks at once, and leaves, is inside, too; and so are short runs, one after the other.
  std::vector<std::string> groups;
  for (const auto* key : {"first", "second", "third"}) {
    auto file = fmt::format("{}/{}", h.root, key);
    auto run = h.shell(
        key, fmt::format("cat /proc/self/cgroup; "
                         "(setsid sh -c 'cat /proc/self/cgroup > {0}.part; mv {0}.part {0}' &); "
                         "until cat {0} 2>/dev/null; do sleep 0.01; done",
                         file));
    run.processes_max = 50;
    EXPECT_EQ(h.run(run).exits.at(0).code, 0);
    std::istringstream lines{h.text_of(key, "0o")};
    for (std::string line; std::getline(lines, line);)
      if (auto at = line.find(confinement.version == 1 ? ":pids:" : "0::"); at != std::string::npos)
        groups.push_back(line.substr(line.rfind('/') + 1));
  }
  EXPECT_EQ(groups.size(), 6u);
  for (const auto& group : groups) EXPECT_THAT(group, StartsWith("troupe-"));
}

TEST(Launcher, EndsWhatIsInTheGroupsOfOneThatDied) {
  auto confinement = probe_confinement();
  if (!confinement.processes()) GTEST_SKIP() << "no group with a limit of processes";
  Harness h;
  h.connect();
  auto run = h.shell("run", "cat /proc/self/cgroup; sleep 1000");
  run.processes_max = 50;
  h.client->start(run);
  ASSERT_TRUE(h.wait([&] { return h.text_of("run", "0o").find("troupe-") != std::string::npos; }));
  auto text = h.text_of("run", "0o");
  auto at = text.find("troupe-");
  auto group = confinement.processes_dir + "/" + text.substr(at, text.find('\n', at) - at);
  EXPECT_TRUE(std::filesystem::exists(group)) << group;
  ::kill(h.launcher_pid(), SIGKILL);
  EXPECT_EQ(h.end_of("run").error.value().detail, "the launcher died");
  EXPECT_FALSE(std::filesystem::exists(group)) << group;
}

TEST(Launcher, LimitsProcessesWhereItCan) {
  if (!probe_confinement().processes()) GTEST_SKIP() << "no group with a limit of processes";
  Harness h;
  h.connect();
  auto bomb = h.shell("bomb", "n=0; while [ $n -lt 500 ]; do sleep 1000 & n=$((n+1)); done");
  bomb.processes_max = 50;
  auto status = h.run(bomb);
  EXPECT_TRUE(status.fork_refused);
  EXPECT_FALSE(status.exits.at(0).code == 0 && status.exits.at(0).signal == 0);
  EXPECT_TRUE(h.marked_gone());
  auto modest = h.shell("modest", "sleep 0.1 & sleep 0.1");
  modest.processes_max = 50;
  EXPECT_FALSE(h.run(modest).fork_refused);
}

TEST(Launcher, LimitsMemoryWhereItCan) {
  if (!probe_confinement().memory()) GTEST_SKIP() << probe_confinement().note;
  Harness h;
  h.connect();
  auto hog = h.shell("hog", "head -c 300M /dev/zero | tail >/dev/null");
  hog.mem = 50u << 20;
  auto status = h.run(hog);
  EXPECT_TRUE(status.oom_killed);
  auto modest = h.shell("modest", "sleep 0.1");
  modest.mem = 50u << 20;
  modest.cpus = 0.5;
  EXPECT_FALSE(h.run(modest).oom_killed);
}

}  // namespace
}  // namespace troupe::process
