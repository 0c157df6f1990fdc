// Who keeps the others waiting: scripted arrivals, and what an experiment makes of them.
#include "actors/head/stragglers.hpp"

#include "actors/worker/pace_look.hpp"
#include "gpu/comm/pace.hpp"
#include "runtime/core/fd.hpp"
#include "tests/actors/records.hpp"
#include "tests/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Ranks of one job each that meet after every step; what each of them tells once a second.
class Meetings : public ::testing::Test {
 protected:
  void SetUp() override { begin(3); }
  void begin(uint32_t ranks) {
    waited.assign(ranks, 0);
    attempt.jobs.clear();
    for (uint32_t job = 0; job < ranks; ++job) {
      JobRecord record;
      record.index = job;
      record.node = std::string(1, static_cast<char>('a' + job));
      attempt.jobs.push_back(record);
    }
  }
  /// Each computes for so long, and then waits for the last.
  void step(const std::vector<int64_t>& compute_us) {
    auto last = *std::max_element(compute_us.begin(), compute_us.end());
    for (size_t rank = 0; rank < compute_us.size(); ++rank) waited[rank] += last - compute_us[rank];
    now_us += last;
    ++calls;
  }
  /// Their nodes look at different moments; true where somebody became late or is so no more.
  bool tell() {
    bool changed = false;
    for (uint32_t rank = 0; rank < waited.size(); ++rank) {
      JobUpdate update;
      update.key = JobKey{JobId{{1, 0}, "worker", rank}, epoch};
      update.paces = {
          {rank, calls, static_cast<uint64_t>(waited[rank]), now_us + 1'000'000 * int64_t{rank}}};
      changed = watch.update(update) || changed;
    }
    return changed;
  }
  bool second(const std::vector<int64_t>& compute_us) {
    for (auto until = now_us + 1'000'000; now_us < until;) step(compute_us);
    return tell();
  }
  std::vector<uint32_t> late() const {
    std::vector<uint32_t> ranks;
    for (const auto& one : watch.late(attempt)) ranks.push_back(one.rank);
    return ranks;
  }

  Stragglers watch;
  AttemptRecord attempt;
  uint64_t epoch = 7, calls = 1;
  int64_t now_us = 0;
  std::vector<int64_t> waited;
};

TEST_F(Meetings, NameTheRankThatIsLateInMostOfTheLastParts) {
  tell();
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(second({10'000, 10'000, 16'000})) << i;
  EXPECT_TRUE(second({10'000, 10'000, 16'000}));
  ASSERT_THAT(late(), ElementsAre(2));
  auto one = watch.late(attempt).front();
  EXPECT_EQ(one.node, "c");
  EXPECT_EQ(one.late_us, 6000u);
  EXPECT_NEAR(one.share, 0.375, 0.01);
  EXPECT_FALSE(second({10'000, 10'000, 16'000})) << "it is known";
}

TEST_F(Meetings, ForgetItOnceItIsHardlyEverLate) {
  tell();
  for (int i = 0; i < 8; ++i) second({10'000, 10'000, 16'000});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(second({10'000, 10'000, 10'000})) << i;
  EXPECT_TRUE(second({10'000, 10'000, 10'000}));
  EXPECT_THAT(late(), IsEmpty());
}

TEST_F(Meetings, NameNobodyForNoiseNorForOneSlowPart) {
  begin(8);
  tell();
  std::mt19937 random{1};
  for (int i = 0; i < 60; ++i) {
    for (auto until = now_us + 1'000'000; now_us < until;) {
      std::vector<int64_t> compute;
      for (size_t rank = 0; rank < waited.size(); ++rank)
        compute.push_back(8000 + static_cast<int64_t>(random() % 4000));
      // Now and then one stands still for long, each time another.
      if (random() % 50 == 0) compute[random() % 8] += 300'000;
      step(compute);
    }
    EXPECT_FALSE(tell()) << i;
  }
}

TEST_F(Meetings, FindOneOfTwoAndHalfOfMany) {
  begin(2);
  tell();
  for (int i = 0; i < 6; ++i) second({9000, 3000});
  EXPECT_THAT(late(), ElementsAre(0));
  begin(4);
  ++epoch, calls = 1, now_us = 0;
  tell();
  EXPECT_THAT(late(), IsEmpty()) << "of an attempt that is over";
  for (int i = 0; i < 6; ++i) second({9000, 3000, 9000, 3000});
  EXPECT_THAT(late(), ElementsAre(0, 2));
}

TEST_F(Meetings, CountStepsLongerThanALookAsOnePartEach) {
  tell();
  for (int i = 0; i < 5; ++i) {
    step({20'000'000, 30'000'000, 20'000'000});
    for (int look = 0; look < 3; ++look) tell();
  }
  EXPECT_THAT(late(), ElementsAre(1));
  EXPECT_EQ(watch.late(attempt).front().late_us, 10'000'000u);
}

TEST_F(Meetings, BeginAnewWithAnotherCommunicator) {
  tell();
  for (int i = 0; i < 6; ++i) second({10'000, 16'000, 10'000});
  calls = 1;
  waited.assign(3, 0);
  EXPECT_FALSE(tell());
  for (int i = 0; i < 6; ++i) second({10'000, 10'000, 10'000});
  EXPECT_THAT(late(), IsEmpty());
}

TEST_F(Meetings, SayNothingWhileOneOfThemIsSilent) {
  tell();
  for (int i = 0; i < 200; ++i) {
    step({10'000, 16'000, 10'000});
    JobUpdate update;
    update.key = JobKey{JobId{{1, 0}, "worker", 0}, epoch};
    update.paces = {{0, calls, static_cast<uint64_t>(waited[0]), now_us}};
    EXPECT_FALSE(watch.update(update));
  }
}

TEST_F(Meetings, AreSeenFromOutsideWhereNobodyTells) {
  auto see = [&](uint64_t span, const std::vector<int64_t>& waited_s) {
    bool changed = false;
    for (uint32_t rank = 0; rank < waited_s.size(); ++rank) {
      JobUpdate update;
      update.key = JobKey{JobId{{1, 0}, "worker", rank}, epoch};
      update.paces = {{rank, span, span * static_cast<uint64_t>(waited_s[rank] * 1'000'000),
                       static_cast<int64_t>(span * 8'000'000), true}};
      changed = watch.update(update) || changed;
    }
    return changed;
  };
  for (uint64_t span = 1; span <= 5; ++span) EXPECT_FALSE(see(span, {4, 0, 4})) << span;
  EXPECT_TRUE(see(6, {4, 0, 4}));
  ASSERT_THAT(late(), ElementsAre(1));
  EXPECT_NEAR(watch.late(attempt).front().share, 0.5, 0.01);
  EXPECT_EQ(watch.late(attempt).front().late_us, 0u) << "of a call nobody knows";
  // What ranks tell themselves is better.
  tell();
  EXPECT_THAT(late(), IsEmpty());
  for (int i = 0; i < 6; ++i) second({16'000, 10'000, 10'000});
  EXPECT_THAT(late(), ElementsAre(0));
  EXPECT_FALSE(see(7, {4, 0, 4}));
  EXPECT_THAT(late(), ElementsAre(0));
}

TEST(StragglersOfALife, AreInTheRecordWithAnEventEachWay) {
  ExperimentLife life{record_of(spec_of())};
  life.place(places_on({"a", "b"}), 1, t0);
  for (uint32_t job : {0u, 1u}) life.update(update_of(life.record(), JobStep::running, job), t0);
  auto found = life.straggles({{1, "b", 21'000, 0.384}}, t0);
  ASSERT_EQ(found.events.size(), 1u);
  EXPECT_EQ(found.events[0].kind, "straggler");
  EXPECT_EQ(found.events[0].cause,
            "rank 1 on b is late: the others wait 38 % of their time for it, 21ms a call");
  EXPECT_EQ(life.record().attempts.back().stragglers.size(), 1u);
  EXPECT_THAT(life.straggles({{1, "b", 30'000, 0.5}}, t0).events, IsEmpty());
  auto seen = life.straggles({{0, "a", 0, 0.5}, {1, "b", 30'000, 0.5}}, t0);
  ASSERT_EQ(seen.events.size(), 1u);
  EXPECT_EQ(seen.events[0].cause, "rank 0 on a is late: the others wait 50 % of their time for it");
  life.straggles({{1, "b", 30'000, 0.5}}, t0);
  auto gone = life.straggles({}, t0);
  ASSERT_EQ(gone.events.size(), 1u);
  EXPECT_EQ(gone.events[0].cause, "rank 1 on b keeps up with the others again");
  EXPECT_THAT(life.record().attempts.back().stragglers, IsEmpty());
}

TEST(PaceLook, TellsWhoWentOnAndBelievesNoHalfRecords) {
  TempDir dir;
  auto path = dir.path() + "/pace";
  PaceLook look{path, 4, 2};
  using std::chrono::seconds;
  EXPECT_THAT(look.due(seconds{1}), IsEmpty()) << "there is none";
  ::setenv("TROUPE_PACE", path.c_str(), 1);
  ::setenv("LOCAL_RANK", "1", 1);
  ::setenv("WORLD_SIZE", "6", 1);
  {
    EXPECT_FALSE(comm::Pace::open(3)) << "a communicator of some ranks";
    auto pace = comm::Pace::open(6);
    ASSERT_TRUE(pace);
    EXPECT_FALSE(comm::Pace::open(6)) << "one of this process tells";
    EXPECT_THAT(look.due(seconds{2}), IsEmpty()) << "no call yet";
    pace->note(std::chrono::milliseconds{3});
    pace->note(std::chrono::milliseconds{5});
    EXPECT_THAT(look.due(std::chrono::milliseconds{2900}), IsEmpty()) << "too soon";
    auto told = look.due(seconds{3});
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].rank, 5u);
    EXPECT_EQ(told[0].calls, 2u);
    EXPECT_EQ(told[0].waited_us, 5000u);
    EXPECT_THAT(look.due(seconds{4}), IsEmpty()) << "nothing new";
  }
  EXPECT_TRUE(comm::Pace::open(6));
  for (const char* name : {"TROUPE_PACE", "LOCAL_RANK", "WORLD_SIZE"}) ::unsetenv(name);
  ASSERT_TRUE(replace_file(path, std::string(8, '\x01') + std::string(60, '\x02'), 0600, false));
  EXPECT_THAT(look.due(seconds{5}), IsEmpty());
}

}  // namespace
}  // namespace troupe::actors
