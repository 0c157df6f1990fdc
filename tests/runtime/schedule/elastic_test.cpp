// Experiments with a range of workers, and which worker goes where.
#include "runtime/schedule/ranks.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::schedule {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

NodeSpec node_of(const std::string& name, int cpus = 4) {
  NodeSpec node;
  node.name = name;
  node.milli_cpus = cpus * 1000;
  return node;
}

/// Whole nodes, of four CPUs.
Request range_of(uint64_t id, uint32_t min, uint32_t max) {
  Request request;
  request.id = {id, 0};
  request.amount.milli_cpus = 4000;
  request.workers_min = min;
  request.workers_max = max;
  return request;
}

std::vector<std::string> nodes_of(const Placement& placement) {
  std::vector<std::string> nodes;
  for (const auto& job : placement.jobs) nodes.push_back(job.node);
  return nodes;
}

class Elastic : public testing::Test {
 protected:
  explicit Elastic() {
    for (const auto* name : {"a", "b", "c", "d"}) scheduler.put_node(node_of(name));
  }
  std::vector<Placement> start(const Request& request) {
    EXPECT_TRUE(scheduler.enqueue(request));
    return scheduler.decide().starts;
  }
  /// As it is when it writes a checkpoint after so long.
  Decision checkpoint(uint64_t id, Time at) {
    scheduler.set_time(at);
    scheduler.checkpointed({id, 0});
    return scheduler.decide();
  }
  /// It has stopped as it was told to, and waits again.
  std::vector<Placement> again(const Request& request) {
    scheduler.release_all(request.id);
    EXPECT_TRUE(scheduler.enqueue(request));
    return scheduler.decide().starts;
  }

  Scheduler scheduler;
};

TEST_F(Elastic, StartsWithWhatIsThereAndGrowsAtACheckpoint) {
  auto other = range_of(1, 2, 2), elastic = range_of(2, 2, 8);
  ASSERT_THAT(start(other), SizeIs(1));
  auto first = start(elastic);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(first[0].jobs, SizeIs(2));
  EXPECT_THAT(checkpoint(2, minutes{11}).preemptions, IsEmpty());  // there is no room
  scheduler.release_all({1, 0});
  EXPECT_THAT(scheduler.decide().preemptions, IsEmpty());  // nothing was written just now
  auto decision = checkpoint(2, minutes{12});
  ASSERT_THAT(decision.preemptions, SizeIs(1));
  EXPECT_EQ(decision.preemptions[0].id, (ExperimentId{2, 0}));
  EXPECT_THAT(decision.preemptions[0].cause, HasSubstr("room for 4 workers instead of 2"));
  EXPECT_THAT(checkpoint(2, minutes{13}).preemptions, IsEmpty());  // it stops already
  elastic.nodes_before = nodes_of(first[0]);
  auto second = again(elastic);
  ASSERT_THAT(second, SizeIs(1));
  ASSERT_THAT(second[0].jobs, SizeIs(4));
  for (size_t rank = 0; rank < 2; ++rank)
    EXPECT_EQ(second[0].jobs[rank].node, elastic.nodes_before[rank]);
  EXPECT_THAT(checkpoint(2, minutes{60}).preemptions, IsEmpty());  // there are no more nodes
}

TEST_F(Elastic, GrowsNotBeforeItsTimeAndNotWherePeopleWait) {
  auto other = range_of(1, 3, 3), elastic = range_of(2, 1, 4);
  elastic.resize_after = minutes{5};
  start(other);
  start(elastic);
  scheduler.release_all({1, 0});
  EXPECT_THAT(checkpoint(2, minutes{4}).preemptions, IsEmpty());
  auto large = range_of(3, 4, 4);
  EXPECT_THAT(start(large), IsEmpty());
  EXPECT_THAT(checkpoint(2, minutes{6}).preemptions, IsEmpty());
  EXPECT_TRUE(scheduler.dequeue({3, 0}));
  EXPECT_THAT(checkpoint(2, minutes{7}).preemptions, SizeIs(1));
}

TEST_F(Elastic, OneGrowsAtATime) {
  auto first = range_of(1, 1, 4), second = range_of(2, 1, 4), other = range_of(3, 2, 2);
  start(other);
  first.workers_max = second.workers_max = 1;
  start(first);
  start(second);
  scheduler.release_all({3, 0});
  scheduler.set_time(minutes{20});
  // As they would be had the others been there from the start.
  Scheduler many;
  for (const auto* name : {"a", "b", "c", "d"}) many.put_node(node_of(name));
  many.adopt(range_of(1, 1, 4), {{0, "a", {}}});
  many.adopt(range_of(2, 1, 4), {{0, "b", {}}});
  many.set_time(minutes{20});
  many.checkpointed({1, 0});
  many.checkpointed({2, 0});
  EXPECT_THAT(many.decide().preemptions, SizeIs(1));
  many.release_all({1, 0});
  ASSERT_TRUE(many.enqueue(range_of(1, 1, 4)));
  auto starts = many.decide().starts;
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_THAT(starts[0].jobs, SizeIs(3));
  many.set_time(minutes{40});
  many.checkpointed({2, 0});
  EXPECT_THAT(many.decide().preemptions, IsEmpty());
}

TEST_F(Elastic, GivesWhatIsBeyondItsLeastToWhomeverWaits) {
  auto elastic = range_of(1, 2, 8), waiting = range_of(2, 2, 2);
  auto first = start(elastic);
  ASSERT_THAT(first[0].jobs, SizeIs(4));
  EXPECT_THAT(start(waiting), IsEmpty());
  EXPECT_THAT(checkpoint(1, minutes{9}).preemptions, IsEmpty());
  auto decision = checkpoint(1, minutes{11});
  ASSERT_THAT(decision.preemptions, SizeIs(1));
  EXPECT_EQ(decision.preemptions[0].in_favour_of, waiting.id);
  EXPECT_THAT(decision.preemptions[0].cause, HasSubstr("gives workers to 2"));
  EXPECT_TRUE(scheduler.is_waiting(waiting.id));
  elastic.nodes_before = nodes_of(first[0]);
  auto starts = again(elastic);
  ASSERT_THAT(starts, SizeIs(2));
  EXPECT_EQ(starts[0].id, waiting.id);
  EXPECT_EQ(starts[1].id, elastic.id);
  EXPECT_THAT(starts[1].jobs, SizeIs(2));
}

TEST_F(Elastic, KeepsWhatItNeedsItselfAndWhatLesserOnesWant) {
  auto elastic = range_of(1, 3, 8);
  ASSERT_THAT(start(elastic)[0].jobs, SizeIs(4));
  auto too_large = range_of(2, 2, 2);
  EXPECT_THAT(start(too_large), IsEmpty());
  EXPECT_THAT(checkpoint(1, minutes{11}).preemptions, IsEmpty());
  EXPECT_TRUE(scheduler.dequeue(too_large.id));
  auto lesser = range_of(3, 1, 1);
  lesser.priority = 10;
  EXPECT_THAT(start(lesser), IsEmpty());
  EXPECT_THAT(checkpoint(1, minutes{12}).preemptions, IsEmpty());
  lesser.priority = 50;
  EXPECT_TRUE(scheduler.dequeue(lesser.id));
  EXPECT_THAT(start(lesser), IsEmpty());
  EXPECT_THAT(checkpoint(1, minutes{13}).preemptions, SizeIs(1));
}

TEST_F(Elastic, FixedOnesAndThoseNotToBeStoppedAreLeftAlone) {
  auto fixed = range_of(1, 1, 1), still = range_of(2, 1, 2);
  still.preemptible = false;
  scheduler.adopt(fixed, {{0, "a", {}}});
  scheduler.adopt(still, {{0, "b", {}}});
  EXPECT_THAT(checkpoint(1, minutes{30}).preemptions, IsEmpty());
  EXPECT_THAT(checkpoint(2, minutes{31}).preemptions, IsEmpty());
  EXPECT_THAT(checkpoint(9, minutes{32}).preemptions, IsEmpty());  // unknown
}

TEST_F(Elastic, ALostNodesWorkerIsReplacedWhereItsRankWas) {
  auto gang = range_of(1, 3, 3);
  auto first = start(gang);
  ASSERT_THAT(first, SizeIs(1));
  gang.nodes_before = nodes_of(first[0]);
  scheduler.remove_node(gang.nodes_before[1]);
  auto second = again(gang);
  ASSERT_THAT(second, SizeIs(1));
  auto nodes = nodes_of(second[0]);
  EXPECT_EQ(nodes[0], gang.nodes_before[0]);
  EXPECT_NE(nodes[1], gang.nodes_before[1]);
  EXPECT_EQ(nodes[2], gang.nodes_before[2]);
  for (uint32_t rank = 0; rank < 3; ++rank) EXPECT_EQ(second[0].jobs[rank].index, rank);
}

TEST(KeepRanks, FillsHolesInOrderAndKeepsSeveralOfOneNode) {
  std::vector<JobPlace> places{{0, "x", {}}, {1, "b", {1}}, {2, "b", {0}}, {3, "y", {}}};
  keep_ranks({"gone", "b", "y"}, places);
  EXPECT_THAT(places, ElementsAre(JobPlace{0, "x", {}}, JobPlace{1, "b", {1}}, JobPlace{2, "y", {}},
                                  JobPlace{3, "b", {0}}));
  std::vector<JobPlace> fewer{{0, "b", {}}};
  keep_ranks({"a", "b", "c"}, fewer);
  EXPECT_THAT(fewer, ElementsAre(JobPlace{0, "b", {}}));
  std::vector<JobPlace> none;
  keep_ranks({"a"}, none);
  EXPECT_THAT(none, IsEmpty());
}

}  // namespace
}  // namespace troupe::schedule
