// Processes and machines that stand still for a while. A slow one is not a dead one; one that stood
// still for too long has been replaced, and ends its stale attempt.
#include "tests/cluster/faults/faults.hpp"
#include "tests/cluster/faults/long_faults.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

constexpr int for_long = 0;  // until the node is lost

struct Pause {
  const char* name;
  const char* who;
  int milliseconds;

  /// Whether the node is given up meanwhile. A head that stands still gives nobody up.
  bool lost() const {
    return milliseconds == for_long || (milliseconds > 12'000 && std::string_view{who} != "head");
  }
};

/// For the names that ctest shows.
void PrintTo(const Pause& one, std::ostream* out) {
  *out << one.name;
}

class PauseFault : public FaultTest, public ::testing::WithParamInterface<Pause> {
 protected:
  std::vector<pid_t> victims() {
    std::string who = GetParam().who;
    if (who == "head") return {many().pid()};
    if (who == "worker") return {many().worker("w1").pid()};
    if (who == "launcher") return many().launchers_of("w1");
    if (who == "job") return many().processes_with("TROUPE_JOB=" + first_ + ".worker.0");
    return lab().host("w1").processes();
  }
};

TEST_P(PauseFault, EndsWithEverythingDoneOnce) {
  auto pause = GetParam();
  SKIP_UNLESS_SHORT(pause.milliseconds);
  bool lost = pause.lost();
  start(lost ? 4000 : pause.milliseconds + 3000);
  if (HasFatalFailure()) return;
  if (lost) recorder().lost("w1");
  auto stopped = victims();
  ASSERT_FALSE(stopped.empty());
  for (auto pid : stopped) ::kill(pid, SIGSTOP);
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{pause.milliseconds};
  if (lost) {
    EXPECT_TRUE(many().await_node("w1", "lost"));
  }
  pass(std::max(
      0ms, std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now())));
  for (auto pid : stopped) ::kill(pid, SIGCONT);
  expect_done_once(lost);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, PauseFault,
    ::testing::Values(
        Pause{"HeadForHalfASecond", "head", 500}, Pause{"HeadForTwoSeconds", "head", 2000},
        Pause{"HeadForEightSeconds", "head", 8000}, Pause{"HeadForFifteenSeconds", "head", 15000},
        Pause{"HeadForTwoMinutes", "head", 120'000}, Pause{"WorkerForHalfASecond", "worker", 500},
        Pause{"WorkerForTwoSeconds", "worker", 2000}, Pause{"WorkerForNineSeconds", "worker", 9000},
        Pause{"WorkerForLong", "worker", for_long},
        Pause{"WorkerForThirtySeconds", "worker", 30'000},
        Pause{"WorkerForTwoMinutes", "worker", 120'000},
        Pause{"LauncherForFiveSeconds", "launcher", 5000}, Pause{"JobForFiveSeconds", "job", 5000},
        Pause{"HostForFiveSeconds", "host", 5000}, Pause{"HostForEightSeconds", "host", 8000},
        Pause{"HostForLong", "host", for_long}, Pause{"HostForThirtySeconds", "host", 30'000},
        Pause{"HostForTwoMinutes", "host", 120'000}),
    [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace troupe::cluster
