// The way between head and workers: cut for a while, in one direction alone, losing packets, full
// of resets, half open; and everything one after the other. What is short of the patience with a
// silent node changes nothing; beyond it the job starts elsewhere, and the one that was cut off is
// ended when its node is back.
#include "tests/cluster/faults/faults.hpp"
#include "tests/cluster/faults/long_faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace troupe::cluster {
namespace {

constexpr int for_long = 0;  // until the node is lost

struct Fault {
  const char* name;
  void (*begin)(Lab&, int port);
  void (*end)(Lab&);
  int milliseconds;
};

void unplug_worker(Lab& lab, int) {
  lab.unplug("w1");
}
void plug_worker(Lab& lab) {
  lab.plug("w1");
}
void calm_both(Lab& lab) {
  lab.calm("w1");
  lab.calm("head");
}

/// For the names that ctest shows.
void PrintTo(const Fault& one, std::ostream* out) {
  *out << one.name;
}

class NetworkFault : public FaultTest, public ::testing::WithParamInterface<Fault> {};

TEST_P(NetworkFault, EndsWithEverythingDoneOnce) {
  auto fault = GetParam();
  SKIP_UNLESS_SHORT(fault.milliseconds);
  bool lost = fault.milliseconds == for_long || fault.milliseconds > 12'000;
  start(lost ? 4000 : fault.milliseconds + 3000);
  if (HasFatalFailure()) return;
  if (lost) recorder().lost("w1");
  fault.begin(lab(), std::atoi(many().cluster_port().c_str()));
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{fault.milliseconds};
  if (lost) {
    EXPECT_TRUE(many().await_node("w1", "lost"));
  }
  pass(std::max(
      0ms, std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now())));
  fault.end(lab());
  expect_done_once(lost);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, NetworkFault,
    ::testing::Values(
        Fault{"CableOutForASecond", unplug_worker, plug_worker, 1000},
        Fault{"CableOutForEightSeconds", unplug_worker, plug_worker, 8000},
        Fault{"CableOutForLong", unplug_worker, plug_worker, for_long},
        Fault{"CableOutForThirtySeconds", unplug_worker, plug_worker, 30'000},
        Fault{"CableOutForTenMinutes", unplug_worker, plug_worker, 600'000},
        Fault{"CableOfTheHeadOutForEightSeconds", [](Lab& lab, int) { lab.unplug("head"); },
              [](Lab& lab) { lab.plug("head"); }, 8000},
        Fault{"WorkerDoesNotHearTheHeadForFiveSeconds",
              [](Lab& lab, int) { lab.deafen("w1", "head"); }, calm_both, 5000},
        Fault{"WorkerDoesNotHearTheHeadForLong", [](Lab& lab, int) { lab.deafen("w1", "head"); },
              calm_both, for_long},
        Fault{"HeadDoesNotHearTheWorkerForFiveSeconds",
              [](Lab& lab, int) { lab.deafen("head", "w1"); }, calm_both, 5000},
        Fault{"HeadDoesNotHearTheWorkerForLong", [](Lab& lab, int) { lab.deafen("head", "w1"); },
              calm_both, for_long},
        Fault{"ResetsForThreeSeconds", [](Lab& lab, int) { lab.reset("w1"); }, calm_both, 3000},
        Fault{"HalfOpenForSixSeconds", [](Lab& lab, int port) { lab.swallow("head", port); },
              calm_both, 6000}),
    [](const auto& each) { return std::string{each.param.name}; });

using Network = FaultTest;

TEST_F(Network, ThatLosesSomePacketsKillsNobody) {
  start(9000);
  if (HasFatalFailure()) return;
  lab().lose("w1", 5);
  lab().narrow("w2", "1mbit", "300ms");
  pass(8s);
  lab().calm("w1");
  lab().calm("w2");
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(attempts(first_), 1u);
  EXPECT_EQ(attempts(second_), 1u);
  EXPECT_EQ(many().err().find(" is lost"), std::string::npos);
}

/// Resets again and again, so that each link dies young.
TEST_F(Network, AStormOfResetsAppliesNothingTwice) {
  start(6000);
  if (HasFatalFailure()) return;
  for (int round = 0; round < 6; ++round) {
    lab().reset(round % 2 == 0 ? "head" : "w1");
    recorder().submit(fmt::format("during{}", round), recorder().mark(200, 0.5),
                      R"(,"resources":{"cpus":0.5})", true);
    pass(300ms);
    calm_both(lab());
    pass(300ms);
  }
  EXPECT_TRUE(many().await_node("w1", "up"));
  EXPECT_TRUE(many().await_node("w2", "up"));
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(attempts(first_), 1u);
  EXPECT_EQ(attempts(second_), 1u);
}

/// All links go, one by one, and come back in another order; more than once.
TEST_F(Network, SwizzledLinksLeaveNothingHanging) {
  constexpr unsigned seed = 20261121;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random{seed};
  start(3000);
  if (HasFatalFailure()) return;
  ASSERT_TRUE(many().start_worker("w3"));
  for (int i = 0; i < 6; ++i)
    recorder().submit(fmt::format("more{}", i), recorder().mark(1000, 1),
                      R"(,"resources":{"cpus":1})");
  std::vector<std::string> names{"head", "w1", "w2", "w3"};
  for (int round = 0; round < 3; ++round) {
    std::shuffle(names.begin(), names.end(), random);
    for (const auto& name : names) {
      lab().unplug(name);
      pass(std::chrono::milliseconds{random() % 1000});
    }
    std::shuffle(names.begin(), names.end(), random);
    for (const auto& name : names) {
      lab().plug(name);
      pass(std::chrono::milliseconds{random() % 1000});
    }
  }
  for (const char* name : {"w1", "w2", "w3"}) EXPECT_TRUE(many().await_node(name, "up"));
  recorder().healed();
  recorder().finish();
  for (const auto& [id, name] : recorder().acknowledged()) EXPECT_EQ(many().state(id), "FINISHED");
}

/// Ranks that cannot reach one another are the job's affair: both nodes hear the head and stay.
TEST_F(Network, BetweenWorkersIsNoMatterOfTheHead) {
  start(5000);
  if (HasFatalFailure()) return;
  lab().isolate("w1", true);
  lab().isolate("w2", true);
  pass(4s);
  lab().isolate("w1", false);
  lab().isolate("w2", false);
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(doubts("w1") + doubts("w2"), 0u);
}

}  // namespace
}  // namespace troupe::cluster
