// Deaths: of the head again and again, of one rank, of whole machines that come back with and
// without what they knew, and of everything in turn.
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <random>

namespace troupe::cluster {
namespace {

using Deaths = FaultTest;

TEST_F(Deaths, OfTheHeadAtRandomMomentsLoseAndDoubleNothing) {
  constexpr unsigned seed = 20261122;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random{seed};
  start(5000);
  if (HasFatalFailure()) return;
  int number = 0;
  for (int round = 0; round < 8; ++round) {
    auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{random() % 300};
    pid_t victim = many().pid();
    std::thread killer{[&] {
      // tidy: allow sleep: the random moment is what is tested
      std::this_thread::sleep_until(until);
      ::kill(victim, SIGKILL);
    }};
    while (!recorder()
                .submit(fmt::format("n{}", number++), recorder().mark(100, 0.25),
                        R"(,"resources":{"cpus":0.25})", true)
                .empty()) {
    }
    killer.join();
    many().kill9();
    ASSERT_TRUE(many().start_head());
    recorder().submit_open();
  }
  for (const char* name : {"w1", "w2"}) EXPECT_TRUE(many().await_node(name, "up"));
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(attempts(first_), 1u);
  for (const auto& [id, name] : recorder().acknowledged()) EXPECT_EQ(many().state(id), "FINISHED");
}

/// A kill that was acknowledged holds, though the head dies right after.
TEST_F(Deaths, OfTheHeadRightAfterAKillDoNotUndoIt) {
  start(30'000);
  if (HasFatalFailure()) return;
  auto waiting = recorder().submit("waiting", recorder().mark(100, 2), two_cpus);
  recorder().kill(waiting);
  recorder().kill(first_);
  many().kill9();
  ASSERT_TRUE(many().start_head());
  recorder().kill(second_);
  recorder().healed();
  recorder().finish();
  for (const auto& id : {waiting, first_, second_}) EXPECT_EQ(many().state(id), "KILLED");
}

TEST_F(Deaths, OfOneRankEndTheGangWhichStartsAgainWhole) {
  ASSERT_TRUE(many().start_head());
  for (const char* name : {"w1", "w2", "w3"}) ASSERT_TRUE(many().start_worker(name));
  auto id = recorder().submit(
      "gang", recorder().mark(3000, 2),
      R"(,"workers":{"count":2},"resources":{"cpus":2},"retry":{"count":1,"backoff":"100ms"})");
  ASSERT_TRUE(many().await_state(id, "RUNNING"));
  ASSERT_TRUE(await([&] { return recorder().marks("begin") == 2; }));
  for (auto pid : many().processes_with(fmt::format("TROUPE_JOB={}.worker.1", id)))
    ::kill(pid, SIGKILL);
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(many().state(id), "FINISHED");
  EXPECT_EQ(attempts(id), 2u);
  EXPECT_EQ(recorder().marks("begin"), 4u);
  EXPECT_EQ(recorder().marks("end"), 2u);
}

/// Back before it was given up, or after; with what it knew of its jobs, or with an empty folder.
struct Return {
  const char* name;
  bool after_lost, empty;
};
void PrintTo(const Return& one, std::ostream* out) {
  *out << one.name;
}

class MachineDeath : public FaultTest, public ::testing::WithParamInterface<Return> {};

TEST_P(MachineDeath, ItsJobStartsAgainOnce) {
  start(4000);
  if (HasFatalFailure()) return;
  recorder().lost("w1");
  many().cut_power("w1");
  if (GetParam().after_lost) {
    EXPECT_TRUE(many().await_node("w1", "lost"));
  }
  if (GetParam().empty)
    for (const auto& entry : std::filesystem::directory_iterator{many().path("w1")})
      if (entry.path().filename() != "cluster") std::filesystem::remove_all(entry.path());
  ASSERT_TRUE(many().start_worker("w1"));
  recorder().back("w1");
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(attempts(first_), 2u);
  EXPECT_EQ(attempts(second_), 1u);
  EXPECT_EQ(many().state(first_), "FINISHED");
}

INSTANTIATE_TEST_SUITE_P(Faults, MachineDeath,
                         ::testing::Values(Return{"RebootInTime", false, false},
                                           Return{"BackInTimeWithAnEmptyFolder", false, true},
                                           Return{"RebootAfterItWasLost", true, false},
                                           Return{"BackLateWithAnEmptyFolder", true, true}),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST_F(Deaths, OfTheHeadsMachineHurtNoJob) {
  start(5000);
  if (HasFatalFailure()) return;
  many().cut_power("head");
  pass(2s);
  ASSERT_TRUE(many().start_head());
  for (const char* name : {"w1", "w2"}) EXPECT_TRUE(many().await_node(name, "up"));
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(attempts(first_), 1u);
  EXPECT_EQ(attempts(second_), 1u);
}

}  // namespace
}  // namespace troupe::cluster
