// How long ranks seem to wait for each other: scripted looks at them.
#include "actors/worker/wait_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace troupe::actors {
namespace {

using process::WaitLook;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

class Waits : public ::testing::Test {
 protected:
  /// Of 200 ms each rank runs for so long; what a look at its end finds.
  struct Tick {
    milliseconds runs;
    WaitLook::Now now;
  };
  std::vector<RankPace> tick(const std::map<pid_t, Tick>& ticks) {
    now += milliseconds{200};
    for (const auto& [pid, tick] : ticks) {
      looks[pid].busy += tick.runs;
      looks[pid].now = tick.now;
    }
    return watch.look(
        now,
        [this](int32_t pid) {
          process::ProcessLook look;
          look.busiest = pid + 1;  // a shell started it
          ++trees;
          return look;
        },
        [this](pid_t pid) -> std::optional<WaitLook> {
          auto found = looks.find(pid);
          if (found == looks.end()) return std::nullopt;
          return found->second;
        });
  }
  std::vector<RankPace> span(const std::map<pid_t, Tick>& ticks) {
    std::vector<RankPace> all;
    for (int i = 0; i < 40; ++i)
      for (const auto& pace : tick(ticks)) all.push_back(pace);
    return all;
  }

  WaitWatch watch{4};
  std::map<pid_t, WaitLook> looks;
  WaitWatch::Time now{seconds{100}};
  int trees = 0;
};

TEST_F(Waits, AreTheTimeInWhichARankNeitherRunsNorDoesAnythingElse) {
  watch.begin({10, 20, 30}, now);
  std::map<pid_t, Tick> ticks{{11, {milliseconds{50}, WaitLook::Now::waits}},
                              {21, {milliseconds{190}, WaitLook::Now::runs}},
                              {31, {milliseconds{0}, WaitLook::Now::other}}};
  EXPECT_THAT(span(ticks), IsEmpty()) << "imports";
  auto first = span(ticks);
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].rank, 4u);
  EXPECT_TRUE(first[0].seen);
  EXPECT_EQ(first[0].waited_us, 6'000'000u) << "of 8 s";
  EXPECT_EQ(first[1].waited_us, 0u) << "never found waiting";
  EXPECT_EQ(first[2].waited_us, 0u) << "it sleeps by itself";
  auto second = span(ticks);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].calls, first[0].calls + 1);
  EXPECT_EQ(second[0].waited_us, 12'000'000u);
  EXPECT_EQ(second[0].at_us - first[0].at_us, 8'000'000);
  EXPECT_EQ(trees, 9) << "once a span for each";
}

TEST_F(Waits, AreThePartOfTheIdleTimeThatLooksFound) {
  watch.begin({10}, now);
  std::map<pid_t, Tick> waits{{11, {milliseconds{100}, WaitLook::Now::waits}}},
      sleeps{{11, {milliseconds{100}, WaitLook::Now::other}}},
      runs{{11, {milliseconds{100}, WaitLook::Now::runs}}};
  span(waits);
  std::vector<RankPace> seen;
  for (int i = 0; i < 40; ++i)
    for (const auto& pace : tick(i % 4 == 0 ? waits : i % 4 == 1 ? sleeps : runs))
      seen.push_back(pace);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].waited_us, 2'000'000u) << "half of the 4 s in which it did not run";
}

TEST_F(Waits, SayNothingOfARankThatIsGoneOrHidden) {
  watch.begin({10, 0}, now);
  span({{11, {milliseconds{0}, WaitLook::Now::waits}}});
  looks.clear();
  EXPECT_THAT(span({}), IsEmpty());
  EXPECT_EQ(span({{11, {milliseconds{0}, WaitLook::Now::waits}}}).size(), 0u);
  EXPECT_EQ(span({{11, {milliseconds{0}, WaitLook::Now::waits}}}).size(), 1u) << "it is back";
}

}  // namespace
}  // namespace troupe::actors
