// Workers that lie about jobs that are not theirs, or in numbers.
#include "actors/head/report_check.hpp"

#include "tests/actors/head_fixture.hpp"

#include <limits>

namespace troupe::actors {
namespace {

TEST(ReportCheck, AJobIsSpokenForByTheNodeItWasPlacedOn) {
  ExperimentLife life{record_of(spec_of(), {1, 0})};
  life.place(places_on({"a", "b"}), 20, t0);
  auto record = life.record();
  auto older = record.attempts.back();
  older.epoch = 10;
  older.jobs[0].node = "c";
  record.attempts.insert(record.attempts.begin(), older);
  auto standing = [&](uint32_t index, uint64_t epoch, const std::string& node,
                      const std::string& role = "worker", ExperimentId id = {1, 0}) {
    return standing_of(record, JobKey{JobId{id, role, index}, epoch}, node);
  };
  EXPECT_EQ(standing(0, 20, "a"), Standing::current);
  EXPECT_EQ(standing(1, 20, "b"), Standing::current);
  EXPECT_EQ(standing(0, 20, "b"), Standing::foreign) << "its neighbour's";
  EXPECT_EQ(standing(0, 20, "c"), Standing::foreign) << "of an attempt that is over";
  EXPECT_EQ(standing(2, 20, "a"), Standing::foreign) << "there is none such";
  EXPECT_EQ(standing(0, 20, "a", "leader"), Standing::foreign);
  EXPECT_EQ(standing(0, 20, "a", "worker", {2, 0}), Standing::foreign);
  EXPECT_EQ(standing(0, 10, "c"), Standing::stale);
  EXPECT_EQ(standing(0, 10, "a"), Standing::foreign);
  EXPECT_EQ(standing(0, 5, "a"), Standing::stale) << "nobody knows any more";
  EXPECT_EQ(standing(0, 21, "a"), Standing::foreign) << "not given yet";
  EXPECT_EQ(standing_of(ExperimentRecord{}, JobKey{}, "a"), Standing::foreign);
}

TEST(ReportCheck, AbsurdNumbersAreRefused) {
  JobUpdate good;
  good.time_us = 1'700'000'000'000'000;
  EXPECT_TRUE(check_plausible(good));
  auto update = [&](auto alter) {
    auto bad = good;
    alter(bad);
    return static_cast<bool>(check_plausible(bad));
  };
  EXPECT_FALSE(update([](auto& u) { u.step = static_cast<JobStep>(0); }));
  EXPECT_FALSE(update([](auto& u) { u.step = static_cast<JobStep>(77); }));
  EXPECT_FALSE(update([](auto& u) { u.attempt = UINT32_MAX; }));
  EXPECT_FALSE(update([](auto& u) { u.attempt = 0; }));
  EXPECT_FALSE(update([](auto& u) { u.phase = UINT32_MAX - 1; }));
  EXPECT_TRUE(update([](auto& u) { u.phase = UINT32_MAX; })) << "it waits to start";
  EXPECT_FALSE(update([](auto& u) { u.time_us = INT64_MAX; }));
  EXPECT_FALSE(update([](auto& u) { u.started_us = INT64_MIN; }));
  EXPECT_FALSE(update([](auto& u) { u.gpus.resize(100'000); }));
  EXPECT_FALSE(update([](auto& u) { u.error.detail.resize(1 << 20); }));
  EXPECT_FALSE(update([](auto& u) { u.paces.resize(100'000); }));

  MetricBatch fine;
  fine.source = "file";
  fine.to = 100;
  fine.points.push_back({"loss", {1}, {2}, 5, 100});
  EXPECT_TRUE(check_plausible(fine));
  auto batch = [&](auto alter) {
    auto bad = fine;
    alter(bad);
    return static_cast<bool>(check_plausible(bad));
  };
  EXPECT_FALSE(batch([](auto& b) { b.source = "../x"; }));
  EXPECT_FALSE(batch([](auto& b) { b.to = UINT64_MAX; }));
  EXPECT_FALSE(batch([](auto& b) { b.from = 101; }));
  EXPECT_FALSE(batch([](auto& b) { b.points[0].end = 101; }));
  EXPECT_FALSE(batch([](auto& b) { b.points[0].end = 0; }));
  EXPECT_FALSE(batch([](auto& b) { b.points[0].time_us = -1; }));
  EXPECT_FALSE(batch([](auto& b) { b.points[0].name.clear(); }));
  EXPECT_FALSE(batch([](auto& b) { b.points.resize(100'000, b.points[0]); }));
  EXPECT_TRUE(batch([](auto& b) {
    b.points[0].value.value = std::numeric_limits<double>::quiet_NaN();
  })) << "a loss may be anything";
}

class LyingWorker : public HeadTest {
 protected:
  void tell(const std::string& worker, const JobUpdate& update) {
    caf::anon_send(director, update_atom_v, worker, update);
    run();
  }
  JobUpdate end_of(const JobOrder& order) {
    JobUpdate update;
    update.key = order.key;
    update.step = JobStep::ended;
    update.has_exit = true;
    update.time_us = clock->now().us;
    return update;
  }
};

TEST_F(LyingWorker, ChangesNothingAboutJobsOfOthers) {
  start_head();
  auto honest = join("a", 4000);
  auto id = submit(spec_of());
  ASSERT_TRUE(id);
  ASSERT_EQ(honest->started.size(), 1u);
  auto liar = join("b", 4000);
  auto order = honest->started[0];

  tell("b", end_of(order));
  EXPECT_EQ(context->audit->count(), 1u);
  EXPECT_FALSE(is_terminal(state({1, 0})));

  MetricBatch batch;
  batch.key = order.key;
  batch.source = "file";
  batch.to = 10;
  batch.points.push_back({"loss", {1}, {0}, 5, 10});
  caf::anon_send(director, metrics_atom_v, std::string{"b"}, batch);
  run();
  EXPECT_EQ(context->audit->count(), 2u);
  EXPECT_TRUE(experiment({1, 0}).metrics.empty());

  auto ahead = end_of(order);
  ahead.key.epoch += 1;
  tell("a", ahead);
  EXPECT_EQ(context->audit->count(), 3u) << "an epoch that was never given, from its own node";
  EXPECT_FALSE(is_terminal(state({1, 0})));

  // Of a job that ended long ago nobody but the one that asks is told to forget it.
  auto past = end_of(order);
  past.key.job.experiment = {99, 0};
  tell("b", past);
  EXPECT_EQ(liar->forgotten.size(), 1u);
  EXPECT_TRUE(honest->forgotten.empty());

  tell("a", end_of(order));
  EXPECT_EQ(state({1, 0}), State::finished);
  EXPECT_EQ(context->audit->count(), 3u);
}

}  // namespace
}  // namespace troupe::actors
