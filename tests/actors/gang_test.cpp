// Gangs in a full cluster: all of one starts, or none of it.
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Gang : public HeadTest {
 protected:
  void SetUp() override { start_head(); }
  static ExperimentSpec gang(uint32_t workers, double cpus = 4) {
    auto spec = spec_of();
    spec.workers.min = spec.workers.max = workers;
    spec.resources.cpus = cpus;
    return spec;
  }
};

TEST_F(Gang, WaitsWholeUntilThereIsRoomForAllOfIt) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang(1, 1)));
  ASSERT_TRUE(submit(gang(2)));
  auto single = a->started.empty() ? b->started.at(0) : a->started.at(0);
  EXPECT_EQ(a->started.size() + b->started.size(), 1u) << "half of it would fit";
  EXPECT_EQ(state({2, 0}), State::queued);
  auto why = ask<WaitingRef>(director, why_atom_v, ExperimentId{2, 0});
  ASSERT_TRUE(why);
  EXPECT_FALSE((*why)->reasons.empty());
  report_running(single);
  report_exit(single, 0);
  ASSERT_EQ(orders(a, 2).size(), 1u);
  ASSERT_EQ(orders(b, 2).size(), 1u);
  auto first = orders(a, 2)[0], second = orders(b, 2)[0];
  EXPECT_EQ(first.key.epoch, second.key.epoch);
  EXPECT_EQ(first.world_size, 2u);
  EXPECT_NE(first.node_rank, second.node_rank);
  EXPECT_THAT(story("2"), ElementsAre(">QUEUED", "QUEUED>PREPARING"));
}

TEST_F(Gang, TwoThatEachHalfFitDoNotBlockOneAnother) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang(2)));
  ASSERT_TRUE(submit(gang(2)));
  ASSERT_EQ(orders(a, 1).size(), 1u);
  ASSERT_EQ(orders(b, 1).size(), 1u);
  // One of its places is free again: too little for the other.
  report_running(orders(a, 1)[0]);
  report_running(orders(b, 1)[0]);
  report_exit(orders(a, 1)[0], 0);
  EXPECT_THAT(orders(a, 2), IsEmpty());
  report_exit(orders(b, 1)[0], 0);
  EXPECT_EQ(state({1, 0}), State::finished);
  EXPECT_EQ(orders(a, 2).size(), 1u);
  EXPECT_EQ(orders(b, 2).size(), 1u);
}

TEST_F(Gang, AJoiningNodeStartsAllOfIt) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang(1)));
  ASSERT_TRUE(submit(gang(2)));
  EXPECT_EQ(a->started.size() + b->started.size(), 1u);
  auto c = join("c");
  EXPECT_EQ(c->started.size(), 1u);
  EXPECT_EQ(orders(a, 2).size() + orders(b, 2).size(), 1u);
}

TEST_F(Gang, AfterTheLossOfOneNodeNothingOfItGoesOnAlone) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang(2)));
  auto kept = orders(a, 1).at(0);
  report_running(kept);
  report_running(orders(b, 1).at(0));
  caf::anon_send(director, lost_atom_v, std::string{"b"}, int64_t{0});
  run();
  ASSERT_EQ(a->stopped.size(), 1u) << "its other half cannot finish the work";
  auto end = update_for(kept, JobStep::ended);
  end.stopped = true;
  end.has_exit = true;
  end.signal = 15;
  report(end);
  EXPECT_EQ(state({1, 0}), State::queued);
  advance(minutes{1});
  EXPECT_EQ(orders(a, 1).size(), 1u) << "there is no room for all of it";
  auto c = join("c");
  ASSERT_EQ(orders(a, 1).size(), 2u);
  ASSERT_EQ(c->started.size(), 1u);
  EXPECT_EQ(c->started[0].key.epoch, orders(a, 1)[1].key.epoch);
  EXPECT_EQ(c->started[0].attempt, 2u);
}

TEST_F(Gang, AKillWhileItWaitsTakesNoRoom) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang(1)));
  ASSERT_TRUE(submit(gang(2)));
  ASSERT_TRUE(kill({2, 0}));
  EXPECT_EQ(state({2, 0}), State::killed);
  ASSERT_TRUE(submit(gang(1)));
  EXPECT_EQ(a->started.size() + b->started.size(), 2u);
}

/// Of what has ended no head asks again: a job's end is recorded when its points are.
TEST_F(Gang, RecordsTheEndOfAJobBehindItsPoints) {
  auto a = join("a"), b = join("b");
  size_t ends = 0;
  commit_fault = [&](std::span<const storage::Mutation> mutations) -> std::optional<Error> {
    for (const auto& mutation : mutations) {
      const auto* put = std::get_if<storage::PutExperiment>(&mutation);
      if (put == nullptr || put->record->attempts.empty()) continue;
      for (const auto& job : put->record->attempts.back().jobs) {
        if (job.state != State::finished) continue;
        ++ends;
        EXPECT_EQ(points->unsynced, 0u) << to_string(put->record->state);
      }
    }
    return std::nullopt;
  };
  ASSERT_TRUE(submit(gang(2)));
  for (const auto& order : {orders(a, 1).at(0), orders(b, 1).at(0)}) {
    report_running(order);
    MetricBatch batch;
    batch.key = order.key;
    batch.attempt = 1;
    batch.source = "file";
    batch.to = 10;
    batch.points = {WirePoint{"loss", {0}, {1}, 0, 10}};
    caf::anon_send(director, metrics_atom_v, batch);
    report_exit(order, 0);
  }
  EXPECT_EQ(ends, 3u) << "of one job, then of both";
  EXPECT_EQ(state({1, 0}), State::finished);
}

}  // namespace
}  // namespace troupe::actors
