// Deaths at bad moments, of `up`, of the launcher and of jobs: nothing acknowledged is lost,
// nothing is doubled, and nothing stays.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>

namespace troupe::cluster {
namespace {

TEST(Death, NoSubmissionIsLostOrDoubledWhenUpIsKilledAtRandomMoments) {
  constexpr int rounds = 12;
  std::mt19937 random{20261121};
  UpProcess up;
  std::map<std::string, std::string> acknowledged;  // key -> id
  std::vector<std::string> open;                    // keys without an answer
  int number = 0;
  auto send = [&](const std::string& key) {
    auto script = fmt::format("echo {} >> {}/ran", key, up.root());
    auto body = fmt::format(R"({{"project":"p","run":[["sh","-c",{}]]}})", cluster::quoted(script));
    auto answer = up.post("/api/v1/experiments", body, key);
    if (!answer) return false;
    auto id = text_of(*answer, "id");
    auto [it, fresh] = acknowledged.emplace(key, id);
    EXPECT_EQ(it->second, id) << key << " was given two ids";
    return true;
  };
  for (int round = 0; round < rounds; ++round) {
    ASSERT_TRUE(up.start());
    std::erase_if(open, send);
    auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{random() % 400};
    pid_t victim = up.pid();
    std::thread killer{[&] {
      // tidy: allow sleep: the random moment is what is tested
      std::this_thread::sleep_until(until);
      ::kill(victim, SIGKILL);
    }};
    for (bool alive = true; alive;) {
      auto key = fmt::format("k{}", number++);
      alive = send(key);
      if (!alive) open.push_back(key);
    }
    killer.join();
    up.kill9();
  }
  ASSERT_TRUE(up.start());
  std::erase_if(open, send);
  EXPECT_TRUE(open.empty());
  std::map<std::string, int> ids;
  for (const auto& [key, id] : acknowledged) {
    ++ids[id];
    EXPECT_EQ(up.await_end(id), "FINISHED") << key;
  }
  EXPECT_EQ(ids.size(), acknowledged.size());
  auto ran = up.lines("ran");
  std::map<std::string, int> times;
  for (const auto& key : ran) ++times[key];
  for (const auto& [key, id] : acknowledged) EXPECT_EQ(times[key], 1) << key << " is " << id;
  EXPECT_EQ(ran.size(), acknowledged.size());
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Death, OfTheLauncherEndsItsJobsAndStartsThemAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto script = fmt::format(
      "setsid sleep 1000 & (setsid sleep 1001 &) ; echo $TROUPE_ATTEMPT >> {0}/ran; "
      "while [ ! -e {0}/go ]; do sleep 0.02; done",
      up.root());
  auto id = up.submit_shell(script);
  ASSERT_TRUE(await([&] { return up.lines("ran").size() == 1; }));
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  auto first = up.processes_with("TROUPE_ATTEMPT=1");
  EXPECT_GE(first.size(), 3u);
  for (auto pid : up.launchers()) ::kill(pid, SIGKILL);
  ASSERT_TRUE(await([&] { return up.lines("ran").size() == 2; }));
  for (auto pid : first) EXPECT_FALSE(is_alive(pid)) << pid << " outlived its attempt";
  EXPECT_EQ(up.lines("ran"), (std::vector<std::string>{"1", "2"}));
  std::ofstream{up.path("go")};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  auto steps = up.transitions(id);
  EXPECT_NE(std::find(steps.begin(), steps.end(), "RUNNING->RESTARTING"), steps.end());
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Death, OfAJobFromOutsideIsItsFailure) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto child = up.cli_child({"run", "--no-code", "--", "sh", "-c",
                             fmt::format("echo $$ > {}/pid; exec sleep 1000", up.root())},
                            "run");
  ASSERT_TRUE(await([&] { return !up.lines("pid").empty(); }));
  ::kill(std::atoi(up.lines("pid")[0].c_str()), SIGKILL);
  EXPECT_EQ(child.wait(30s), 137);
  EXPECT_EQ(up.state("1"), "FAILED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Death, OfUpAndLauncherAtOnceRunsTheJobAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto id = up.submit_shell(fmt::format(
      "echo $TROUPE_ATTEMPT >> {0}/ran; while [ ! -e {0}/go ]; do sleep 0.02; done", up.root()));
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  for (auto pid : up.launchers()) ::kill(pid, SIGKILL);
  up.kill9();
  ASSERT_TRUE(up.start());
  ASSERT_TRUE(await([&] { return up.lines("ran").size() == 2; }));
  std::ofstream{up.path("go")};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Stop, CtrlCQueuesWhatRunsAndTheNextUpRunsItAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto id = up.submit_shell(fmt::format(
      "trap 'test -e $TROUPE_STOP_FILE && echo stopped >> {0}/ran; exit 0' TERM; echo begun >> "
      "{0}/ran; while [ ! -e {0}/go ]; do sleep 0.02; done",
      up.root()));
  ASSERT_TRUE(await([&] { return up.lines("ran").size() == 1; }));
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  EXPECT_EQ(up.stop(SIGINT), 0);
  EXPECT_TRUE(up.nothing_left());
  EXPECT_EQ(up.lines("ran"), (std::vector<std::string>{"begun", "stopped"}));
  ASSERT_TRUE(up.start());
  ASSERT_TRUE(await([&] { return up.lines("ran").size() == 3; }));
  std::ofstream{up.path("go")};
  EXPECT_EQ(up.await_end(id), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Stop, ASecondUpOnTheFolderIsRefusedWithTheUrl) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto second = up.cli({"up", "--port", "0", "--dir", up.dir()});
  EXPECT_EQ(second.code, 5);
  EXPECT_NE(second.err.find(up.url()), std::string::npos) << second.err;
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
