// Who goes where there is no room, and what the head is told: the books alone, with no disk.
#include "actors/worker/cache_books.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

JobKey job(uint64_t number) {
  return JobKey{JobId{{number, 0}, "worker", 0}, 1};
}

class Books : public ::testing::Test {
 protected:
  CacheBooks::Time at(int64_t seconds) { return std::chrono::seconds{seconds}; }
  /// Comes and is there at that second, held by nobody.
  void bring(const std::string& digest, uint64_t bytes, int64_t second) {
    ASSERT_TRUE(books.expect(digest));
    ASSERT_TRUE(books.make_room(digest, bytes, 0));
    books.arrived(digest, {bytes, "copy", false, {"the head"}, {}}, at(second));
  }
  CachedVersion told(const std::string& digest) {
    for (const auto& version : books.report(at(100)).versions)
      if (version.digest == digest) return version;
    ADD_FAILURE() << digest << " is not told";
    return {};
  }
  CacheBooks books{"n", 100};
};

TEST_F(Books, WhatComesIsExpectedOnce) {
  EXPECT_TRUE(books.expect("a"));
  EXPECT_FALSE(books.expect("a"));
  books.progress("a", 3, 10);
  books.progress("a", 2, 10);
  EXPECT_EQ(told("a").arrived, 3u) << "threads say it in any order";
  books.failed("a", Error{Errc::unavailable, "no head", "", ""}, 4, at(1));
  EXPECT_EQ(told("a").state, CachedVersion::State::failed);
  EXPECT_EQ(books.report(at(1)).used, 4u);
  EXPECT_TRUE(books.expect("a"));
}

TEST_F(Books, WhatNobodyGoesOnWithIsAbandoned) {
  auto broken = [&](const std::string& digest, int64_t second) {
    ASSERT_TRUE(books.expect(digest));
    books.failed(digest, Error{Errc::unavailable, "no head", "", ""}, 4, at(second));
  };
  for (const auto* digest : {"held", "wanted", "old"}) broken(digest, 1);
  broken("young", 50);
  bring("whole", 4, 1);
  books.hold("held", job(1), at(2));
  books.want({"wanted"}, true);
  EXPECT_THAT(books.abandoned(at(60), at(20)), ElementsAre("old"));
  EXPECT_THAT(books.abandoned(at(60), at(20)), IsEmpty()) << "it is leaving already";
  EXPECT_FALSE(books.expect("old"));
  EXPECT_FALSE(books.gone("old", true));
  EXPECT_TRUE(books.expect("old"));
}

TEST_F(Books, OnlyJobsThatFoundItThereAreHits) {
  books.hold("a", job(1), at(1));
  bring("a", 10, 2);
  EXPECT_EQ(told("a").hits, 0u);
  books.hold("a", job(2), at(3));
  books.hold("a", job(2), at(3));
  EXPECT_EQ(told("a").hits, 1u);
  EXPECT_EQ(told("a").holders.size(), 2u);
  books.release(job(1), at(4));
  EXPECT_TRUE(books.is_held("a"));
  books.release(job(2), at(9));
  EXPECT_FALSE(books.is_held("a"));
  EXPECT_EQ(told("a").idle_ms, 91'000);
  EXPECT_EQ(told("a").age_ms, 98'000);
}

TEST_F(Books, TheOldestGoesAndWhatTheQueueNeedsLast) {
  bring("a", 30, 1);
  bring("b", 30, 2);
  bring("c", 30, 3);
  books.want({"a"}, true);
  ASSERT_TRUE(books.expect("d"));
  auto victims = books.make_room("d", 40, 0);
  ASSERT_TRUE(victims);
  EXPECT_THAT(*victims, ElementsAre("b"));
  EXPECT_TRUE(books.is_leaving("b"));
  EXPECT_FALSE(books.expect("b")) << "not before it is gone";
  EXPECT_FALSE(books.gone("b", true));
  // The disk has less than the limit.
  victims = books.make_room("d", 40, 50);
  ASSERT_TRUE(victims);
  EXPECT_THAT(*victims, ElementsAre("c", "a"));
}

TEST_F(Books, WhatIsHeldOrComesStays) {
  bring("a", 40, 1);
  books.hold("a", job(1), at(2));
  ASSERT_TRUE(books.expect("b"));
  ASSERT_TRUE(books.make_room("b", 40, 0));
  ASSERT_TRUE(books.expect("c"));
  auto refused = books.make_room("c", 30, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  EXPECT_THAT(refused.error().detail, HasSubstr("are held by jobs or on their way"));
  auto large = books.make_room("c", 101, 0);
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().detail, HasSubstr("the limit of the cache there is 100"));
}

TEST_F(Books, NothingGoesForWhatDoesNotComeAnyway) {
  bring("a", 40, 1);
  bring("b", 40, 2);
  books.hold("b", job(1), at(3));
  ASSERT_TRUE(books.expect("c"));
  EXPECT_FALSE(books.make_room("c", 70, 0));
  EXPECT_TRUE(books.is_here("a"));
}

TEST_F(Books, WhoWantsOneThatLeavesGetsItBack) {
  bring("a", 60, 1);
  ASSERT_TRUE(books.expect("b"));
  ASSERT_THAT(*books.make_room("b", 60, 0), ElementsAre("a"));
  books.hold("a", job(1), at(2));
  EXPECT_FALSE(books.expect("a"));
  EXPECT_TRUE(books.gone("a", true));
  EXPECT_TRUE(books.expect("a"));
}

TEST_F(Books, WhatCannotBeRemovedIsNotTriedAgainUntilAJobHeldIt) {
  bring("a", 60, 1);
  ASSERT_TRUE(books.expect("b"));
  ASSERT_THAT(*books.make_room("b", 60, 0), ElementsAre("a"));
  EXPECT_FALSE(books.gone("a", false));
  EXPECT_TRUE(books.is_here("a"));
  EXPECT_FALSE(books.make_room("b", 60, 0));
  books.hold("a", job(1), at(2));
  books.release(job(1), at(3));
  EXPECT_THAT(*books.make_room("b", 60, 0), ElementsAre("a"));
}

TEST_F(Books, AnotherLookChangesNothingButTheWayItIsShown) {
  bring("a", 10, 1);
  ASSERT_TRUE(books.expect("a"));
  books.arrived("a", {20, "erofs", true, {}, {}}, at(50));
  EXPECT_EQ(told("a").age_ms, 99'000);
  EXPECT_EQ(told("a").mount, "erofs");
  EXPECT_EQ(told("a").bytes, 20u);
  EXPECT_THAT(told("a").sources, ElementsAre("the head"));
  ASSERT_TRUE(books.expect("a"));
  books.arrived("a", {20, "", true, {}, {}}, at(51));
  EXPECT_EQ(told("a").mount, "erofs") << "it could not be shown any other way";
}

TEST_F(Books, WhatWasThereAtTheStartCounts) {
  CachedVersion one;
  one.digest = "a";
  one.state = CachedVersion::State::here;
  one.bytes = 70;
  one.age_ms = 5'000;
  books.found(one, at(10));
  EXPECT_TRUE(books.is_here("a"));
  EXPECT_EQ(told("a").age_ms, 95'000);
  one.bytes = 1;
  books.found(one, at(10));
  EXPECT_EQ(told("a").bytes, 70u) << "what is known by now is newer";
  ASSERT_TRUE(books.expect("b"));
  EXPECT_THAT(*books.make_room("b", 40, 0), ElementsAre("a"));
}

TEST_F(Books, WithoutALimitOnlyTheDiskBounds) {
  books = CacheBooks{"n", 0};
  bring("a", uint64_t{1} << 50, 1);
  ASSERT_TRUE(books.expect("b"));
  EXPECT_THAT(*books.make_room("b", uint64_t{1} << 50, 0), IsEmpty());
  EXPECT_THAT(*books.make_room("b", uint64_t{1} << 50, 1), ElementsAre("a"));
}

TEST_F(Books, TheReportHasAnEnd) {
  books = CacheBooks{"n", 0};
  for (size_t i = 0; i < CacheBooks::report_max + 3; ++i)
    bring(std::to_string(i), 1, static_cast<int64_t>(i));
  auto report = books.report(at(10'000));
  EXPECT_EQ(report.versions.size(), CacheBooks::report_max);
  EXPECT_EQ(report.unlisted, 3u);
  EXPECT_EQ(report.versions.front().digest, std::to_string(CacheBooks::report_max + 2));
}

}  // namespace
}  // namespace troupe::actors
