// Experiments with a range of workers: what a checkpoint starts where there is room, or somebody
// waits for it.
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class Elastic : public HeadTest {
 protected:
  void SetUp() override { start_head(); }

  static ExperimentSpec range(uint32_t min, uint32_t max) {
    auto spec = spec_of();
    spec.workers.min = min;
    spec.workers.max = max;
    spec.workers.resize_after = 60s;
    spec.resources.cpus = 4;  // a whole node
    return spec;
  }
  void checkpoint(const JobOrder& order, const std::string& name) {
    auto update = update_for(order, JobStep::running);
    update.checkpoints.push_back({name, clock->now().us});
    report(update);
    answer();
  }
  /// The files are on no real node: whoever asks for one is told so, and goes on without.
  void answer() {
    while (!asked.empty()) {
      for (auto& [node, question] : std::exchange(asked, {}))
        question.done(Error{Errc::not_found, "there is no such checkpoint", "", ""});
      run();
    }
  }
  /// It has ended as it was told to.
  void stops(const JobOrder& order) {
    auto update = update_for(order, JobStep::ended);
    update.stopped = true;
    update.has_exit = true;
    update.signal = 15;
    report(update);
    answer();
  }
};

TEST_F(Elastic, GrowsAtACheckpointIntoRoomThatNobodyWants) {
  auto a = join("a");
  ASSERT_TRUE(submit(range(1, 3)));
  ASSERT_THAT(orders(a, 1), SizeIs(1));
  auto first = orders(a, 1)[0];
  report_running(first);
  auto b = join("b"), c = join("c");
  checkpoint(first, "step-1");
  EXPECT_THAT(a->stopped, IsEmpty()) << "it has only just begun";
  advance(61s);
  EXPECT_THAT(a->stopped, IsEmpty()) << "what it did since would be lost";
  checkpoint(first, "step-2");
  ASSERT_THAT(a->stopped, SizeIs(1));
  EXPECT_EQ(a->stopped[0].first, first.key);
  stops(first);
  ASSERT_THAT(orders(a, 1), SizeIs(2));
  ASSERT_THAT(orders(b, 1), SizeIs(1));
  ASSERT_THAT(orders(c, 1), SizeIs(1));
  auto again = orders(a, 1)[1];
  EXPECT_EQ(again.world_size, 3u);
  EXPECT_EQ(again.node_rank, 0u) << "who was there keeps its rank";
  EXPECT_GT(again.key.epoch, first.key.epoch);
  EXPECT_THAT(experiment({1, 0}).attempts, SizeIs(2));
  EXPECT_EQ(experiment({1, 0}).restarts, 0u);
  EXPECT_THAT(story("1"), ::testing::Contains("PREEMPTED>QUEUED"));
}

TEST_F(Elastic, GivesBackWhatIsBeyondItsLeast) {
  auto a = join("a"), b = join("b");
  ASSERT_TRUE(submit(range(1, 2)));
  ASSERT_THAT(orders(a, 1), SizeIs(1));
  ASSERT_THAT(orders(b, 1), SizeIs(1));
  auto one = orders(a, 1)[0], two = orders(b, 1)[0];
  report_running(one);
  report_running(two);
  advance(61s);
  ASSERT_TRUE(submit(range(1, 1)));
  EXPECT_EQ(state({2, 0}), State::queued);
  checkpoint(one.node_rank == 0 ? one : two, "step-1");
  EXPECT_THAT(a->stopped, SizeIs(1));
  EXPECT_THAT(b->stopped, SizeIs(1));
  stops(one);
  stops(two);
  EXPECT_EQ(orders(a, 2).size() + orders(b, 2).size(), 1u);
  EXPECT_EQ(orders(a, 1).size() + orders(b, 1).size(), 3u);
}

}  // namespace
}  // namespace troupe::actors
