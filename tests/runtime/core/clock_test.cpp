#include "runtime/core/clock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, KnownTimes) {
  EXPECT_EQ(rfc3339(Timestamp{1'795'224'540'123'456}), "2026-11-21T01:29:00.123456Z");
  EXPECT_EQ(rfc3339(Timestamp{951'782'400'000'000}), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(Timestamp{1}), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(rfc3339(Timestamp{}), "");
  EXPECT_EQ(rfc3339(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
}

TEST(Rfc3339, ReadsBack) {
  for (int64_t us = 1; us < 4'000'000'000'000'000; us = us * 7 + 3) {
    auto back = parse_rfc3339(rfc3339(Timestamp{us}));
    ASSERT_TRUE(back) << us;
    EXPECT_EQ(back->us, us);
  }
}

TEST(Rfc3339, ReadsShorterAndLongerFractions) {
  EXPECT_EQ(parse_rfc3339("2000-02-29T00:00:00Z")->us, 951'782'400'000'000);
  EXPECT_EQ(parse_rfc3339("2000-02-29T00:00:00.5Z")->us, 951'782'400'500'000);
  EXPECT_EQ(parse_rfc3339("2000-02-29T00:00:00.123456789Z")->us, 951'782'400'123'456);
}

TEST(Rfc3339, RefusesWhatIsNone) {
  for (const char* text :
       {"", "now", "2026-11-21", "2026-11-21T01:29:00", "2026-11-21T01:29:00+01:00",
        "2026-11-21 01:29:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T01:60:00Z", "2026-1-1T1:1:1Z",
        "2026-11-21T01:29:00.Z", "2026-11-21T01:29:00Zx", " 2026-11-21T01:29:00Z",
        "-026-11-21T01:29:00Z", "2026-11-21T+1:29:00Z"}) {
    auto time = parse_rfc3339(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, Errc::invalid);
  }
}

TEST(SystemClock, NeverGivesAStampTwice) {
  SystemClock clock;
  std::vector<std::vector<int64_t>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen)
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) mine.push_back(clock.now().us);
    });
  for (auto& thread : threads) thread.join();
  std::vector<int64_t> all;
  for (const auto& mine : seen) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(SystemClock, MonotonicTimeDoesNotRunBackwards) {
  SystemClock clock;
  auto before = clock.monotonic();
  for (int n = 0; n < 1000; ++n) {
    auto now = clock.monotonic();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(VirtualClock, StandsStillUntilTold) {
  VirtualClock clock{Timestamp{5'000'000}};
  EXPECT_EQ(clock.monotonic(), 0ns);
  EXPECT_EQ(clock.now().us, 5'000'000);
  EXPECT_EQ(clock.now().us, 5'000'001);  // stamps order events even where time stands still
  clock.advance(3s);
  EXPECT_EQ(clock.monotonic(), 3s);
  EXPECT_EQ(clock.now().us, 8'000'000);
}

}  // namespace
}  // namespace troupe
