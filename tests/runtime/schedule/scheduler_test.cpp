#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <malloc.h>

namespace troupe::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NodeSpec node(std::string name, int64_t cpus, uint64_t gib = 8, uint32_t gpus = 0,
              std::string type = "") {
  return {std::move(name), cpus * 1000, gib << 30, gpus, std::move(type), {}, true};
}
Request request(uint64_t id, int64_t milli_cpus, uint32_t gpus = 0) {
  Request one;
  one.id = {id, 0};
  one.amount = {milli_cpus, 0, gpus};
  return one;
}

TEST(Scheduler, BestFitTakesTheNodeWithLeastLeftThenTheName) {
  Scheduler scheduler;
  scheduler.put_node(node("big", 8));
  scheduler.put_node(node("b", 4));
  scheduler.put_node(node("a", 4));
  ASSERT_TRUE(scheduler.enqueue(request(1, 3000)));
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].jobs[0].node, "a");
}

Request reads(uint64_t id, int64_t milli_cpus, const std::string& version, uint64_t bytes) {
  auto one = request(id, milli_cpus);
  one.data = {{version, version + ":1", bytes}};
  return one;
}

TEST(SchedulerData, ANodeThatHasTheDataGoesBeforeOneThatPacksBetter) {
  for (auto packing : {Policy::Packing::best_fit, Policy::Packing::fragmentation}) {
    Policy policy;
    policy.packing = packing;
    Scheduler scheduler{policy};
    for (const auto* name : {"a", "b", "c"}) scheduler.put_node(node(name, 8));
    scheduler.put_data("b", {{"x", 600}});
    scheduler.put_data("c", {{"x", 1000}});
    ASSERT_TRUE(scheduler.enqueue(request(1, 1000)));
    EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "a");
    ASSERT_TRUE(scheduler.enqueue(reads(2, 1000, "x", 1000)));
    EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "c");
    ASSERT_TRUE(scheduler.enqueue(reads(3, 1000, "y", 1000)));
    EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "a") << "nobody has it: as ever";
    scheduler.put_data("c", {});
    ASSERT_TRUE(scheduler.enqueue(reads(4, 1000, "x", 1000)));
    EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "b");
  }
}

TEST(SchedulerData, GpusThatStayTogetherGoBeforeData) {
  Scheduler scheduler;
  scheduler.put_node(node("full", 8, 8, 1, "H100"));
  scheduler.put_node(node("wide", 8, 8, 8, "H100"));
  scheduler.put_data("wide", {{"x", 1000}});
  auto one = reads(1, 1000, "x", 1000);
  one.amount.gpus = 1;
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "full");
}

TEST(SchedulerData, SaysWhatMustTravelAndWhereItWillMostLikelyStart) {
  Scheduler scheduler;
  for (const auto* name : {"a", "b"}) scheduler.put_node(node(name, 4));
  scheduler.put_data("b", {{"x", 1 << 20}});
  ASSERT_TRUE(scheduler.enqueue(request(1, 4000)));
  ASSERT_TRUE(scheduler.enqueue(request(2, 4000)));
  EXPECT_EQ(scheduler.schedule().size(), 2u);
  ASSERT_TRUE(scheduler.enqueue(reads(3, 2000, "x", 4 << 20)));
  auto why = scheduler.why({3, 0});
  EXPECT_THAT(why.data,
              ElementsAre("reads x:1 (4 MiB), which is on no node yet",
                          "3 MiB must travel to node b, where it will most likely start"));
  auto forecasts = scheduler.forecasts(8);
  ASSERT_EQ(forecasts.size(), 1u);
  EXPECT_THAT(forecasts[0].nodes, ElementsAre("b"));
  EXPECT_THAT(scheduler.data_waited_for(), ElementsAre("x"));
  scheduler.put_data("b", {{"x", 4 << 20}});
  EXPECT_THAT(scheduler.why({3, 0}).data,
              ElementsAre("reads x:1 (4 MiB), which is on b",
                          "on node b, where it will most likely start, nothing is missing"));
}

TEST(SchedulerData, LimitsSayWhereItWillStart) {
  Scheduler scheduler;
  for (const auto* name : {"a", "b"}) scheduler.put_node(node(name, 4));
  scheduler.put_data("b", {{"x", 100}});
  auto soon = request(1, 4000), late = request(2, 4000);
  soon.limit = std::chrono::minutes{1};
  late.limit = std::chrono::hours{1};
  ASSERT_TRUE(scheduler.enqueue(soon));
  ASSERT_TRUE(scheduler.enqueue(late));
  EXPECT_EQ(scheduler.schedule().size(), 2u);
  ASSERT_TRUE(scheduler.enqueue(reads(3, 2000, "x", 100)));
  EXPECT_THAT(scheduler.forecasts(8).at(0).nodes, ElementsAre("a")) << "it comes free first";
}

TEST(Scheduler, KeepsGpuNodesForThoseWhoNeedThem) {
  Scheduler scheduler;
  scheduler.put_node(node("gpu", 4, 8, 2, "H100"));
  scheduler.put_node(node("plain", 64));
  ASSERT_TRUE(scheduler.enqueue(request(1, 1000)));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "plain");
}

TEST(Scheduler, GivesTheLowestFreeDevices) {
  Scheduler scheduler;
  scheduler.put_node(node("n", 8, 8, 4, "H100"));
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(scheduler.enqueue(request(i, 0, 1)));
  scheduler.schedule();
  scheduler.release(ExperimentId{2, 0}, 0);
  ASSERT_TRUE(scheduler.enqueue(request(4, 0, 2)));
  EXPECT_THAT(scheduler.schedule().at(0).jobs[0].gpus, ElementsAre(1, 3));
}

TEST(Scheduler, PriorityGoesFirstAndTheHeadIsNotPassed) {
  Scheduler scheduler;
  scheduler.put_node(node("n", 4));
  ASSERT_TRUE(scheduler.enqueue(request(1, 3000)));
  EXPECT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(request(2, 1000)));
  auto urgent = request(3, 4000);
  urgent.priority = 60;
  ASSERT_TRUE(scheduler.enqueue(urgent));
  EXPECT_THAT(scheduler.schedule(), IsEmpty());
  scheduler.release_all({1, 0});
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].id, (ExperimentId{3, 0}));
}

TEST(Scheduler, WhatNoNodeCouldRunHoldsUpNobodyAndStartsOnceOneComes) {
  Scheduler scheduler;
  ASSERT_TRUE(scheduler.enqueue(request(1, 16000)));
  scheduler.put_node(node("small", 4));
  ASSERT_TRUE(scheduler.enqueue(request(2, 1000)));
  EXPECT_EQ(scheduler.schedule().at(0).id, (ExperimentId{2, 0}));
  scheduler.put_node(node("large", 16));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "large");
}

TEST(Scheduler, DrainedNodesTakeNothingNew) {
  Scheduler scheduler;
  auto drained = node("n", 4);
  drained.accepts = false;
  scheduler.put_node(drained);
  ASSERT_TRUE(scheduler.check(request(1, 4000)));
  ASSERT_TRUE(scheduler.enqueue(request(1, 4000)));
  EXPECT_THAT(scheduler.schedule(), IsEmpty());
  EXPECT_THAT(scheduler.why({1, 0}).reasons,
              ElementsAre("1 of 1 node accepts no new jobs (drained)"));
  scheduler.put_node(node("n", 4));
  EXPECT_EQ(scheduler.schedule().size(), 1u);
}

TEST(Scheduler, AdoptedJobsCountAlsoBeforeTheirNodeIsKnown) {
  Scheduler scheduler;
  scheduler.adopt(request(1, 3000, 1), {{0, "n", {1}}});
  scheduler.put_node(node("n", 4, 8, 2));
  EXPECT_EQ(scheduler.node("n")->used.milli_cpus, 3000);
  EXPECT_EQ(scheduler.enqueue(request(1, 1)).error().code, Errc::conflict);
  ASSERT_TRUE(scheduler.enqueue(request(2, 1000, 1)));
  EXPECT_THAT(scheduler.schedule().at(0).jobs[0].gpus, ElementsAre(0));
  scheduler.release_all({1, 0});
  EXPECT_EQ(scheduler.node("n")->used.milli_cpus, 1000);
}

TEST(Scheduler, RefusesWhatCanNeverFitNamingTheLargestNode) {
  Scheduler scheduler;
  EXPECT_TRUE(scheduler.check(request(1, 64000)));  // nobody knows yet
  scheduler.put_node(node("n0", 4));
  scheduler.put_node(node("n1", 16));
  auto refused = scheduler.check(request(1, 64000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_THAT(refused.error().detail, HasSubstr("64 cpus"));
  EXPECT_THAT(refused.error().detail, HasSubstr("node n1 with 16 cpus"));
  EXPECT_FALSE(refused.error().hint.empty());
  auto gang = request(2, 4000);
  gang.workers_min = gang.workers_max = 6;
  EXPECT_THAT(scheduler.check(gang).error().detail, HasSubstr("the 2 nodes hold 5"));
  EXPECT_FALSE(scheduler.check(request(3, 0, 1)));
}

TEST(Scheduler, ExplainsEveryReasonWithNumbers) {
  Scheduler scheduler;
  ASSERT_TRUE(scheduler.enqueue(request(40, 2500)));
  EXPECT_THAT(scheduler.why({40, 0}).reasons, ElementsAre("no node has joined"));
  scheduler.put_node(node("n0", 4));
  EXPECT_THAT(scheduler.why({40, 0}).reasons, IsEmpty());
  scheduler.schedule();
  EXPECT_FALSE(scheduler.why({40, 0}).waiting);
  ASSERT_TRUE(scheduler.enqueue(request(41, 4000)));
  auto member = request(42, 4000);
  member.id.member = 7;
  ASSERT_TRUE(scheduler.enqueue(member));
  ASSERT_TRUE(scheduler.enqueue(request(43, 1000)));
  scheduler.schedule();
  auto head = scheduler.why({41, 0});
  EXPECT_THAT(head.reasons,
              ElementsAre("needs 4 cpus, the most free on a node is 1.5 of 4 (node n0)"));
  EXPECT_EQ(head.starts_now_with, "with 1.5 cpus: now");
  auto last = scheduler.why({43, 0});
  EXPECT_THAT(last.reasons, ElementsAre("2 ahead of it in the queue: 41, 42.7"));
  EXPECT_EQ(last.starts_now_with, "with priority 51: now");
  EXPECT_EQ(scheduler.position({43, 0}), 2u);
}

TEST(Scheduler, ExplainsGangs) {
  Scheduler scheduler;
  scheduler.put_node(node("a", 2));
  scheduler.put_node(node("b", 2));
  ASSERT_TRUE(scheduler.enqueue(request(1, 2000)));
  scheduler.schedule();
  auto gang = request(2, 1000);
  gang.workers_min = gang.workers_max = 4;
  ASSERT_TRUE(scheduler.enqueue(gang));
  auto why = scheduler.why({2, 0});
  EXPECT_THAT(why.reasons, ElementsAre("needs 4 workers at once, there is room for 2 now"));
  EXPECT_EQ(why.starts_now_with, "with 2 workers: now");
}

TEST(GpuType, IsFoundByWholeWordsOfTheDevicesName) {
  EXPECT_TRUE(is_gpu_type("NVIDIA H100 80GB HBM3", "H100"));
  EXPECT_TRUE(is_gpu_type("NVIDIA H100 80GB HBM3", "h100 80gb"));
  EXPECT_TRUE(is_gpu_type("NVIDIA A100-SXM4-40GB", "A100"));
  EXPECT_TRUE(is_gpu_type("NVIDIA A100-SXM4-40GB", "A100-SXM4"));
  EXPECT_TRUE(is_gpu_type("V100", "V100"));
  EXPECT_TRUE(is_gpu_type("anything", ""));
  EXPECT_FALSE(is_gpu_type("NVIDIA RTX A1000", "A100"));
  EXPECT_FALSE(is_gpu_type("NVIDIA GH100", "H100"));
  EXPECT_FALSE(is_gpu_type("NVIDIA H100 80GB HBM3", "H200"));
  EXPECT_FALSE(is_gpu_type("", "H100"));
  EXPECT_TRUE(is_gpu_type("X1000 A100", "A100"));  // the first place found is none
}

TEST(Scheduler, PlacesByPartOfTheTypesName) {
  Scheduler scheduler;
  scheduler.put_node(node("a", 8, 8, 2, "NVIDIA A100-SXM4-80GB"));
  scheduler.put_node(node("h", 8, 8, 2, "NVIDIA H100 80GB HBM3"));
  auto one = request(1, 0, 1);
  one.gpu_type = "H100";
  ASSERT_TRUE(scheduler.check(one));
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "h");
}

TEST(Scheduler, PlacesWhereTheGpusHaveTheMemory) {
  Scheduler scheduler;
  auto small = node("small", 8, 8, 2, "A100");
  small.gpu_mem = uint64_t{40} << 30;
  auto large = node("large", 16, 8, 4, "A100");
  large.gpu_mem = uint64_t{80} << 30;
  scheduler.put_node(small);
  scheduler.put_node(large);
  auto one = request(1, 0, 1);
  one.gpu_mem = uint64_t{41} << 30;
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "large");
  auto more = request(2, 0, 1);
  more.gpu_mem = uint64_t{81} << 30;
  auto refused = scheduler.check(more);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("1 gpu with at least 81 GiB each"));
  EXPECT_THAT(refused.error().detail, HasSubstr("of type A100 with 80 GiB each"));
}

TEST(Scheduler, PartsOfAGpuAreNamedAsParts) {
  Scheduler scheduler;
  scheduler.put_node(node("n", 8, 8, 1, "A100"));
  auto half = request(1, 0, 1);
  half.amount.gpu_share = 400;
  ASSERT_TRUE(scheduler.enqueue(half));
  half.id = {2, 0};
  ASSERT_TRUE(scheduler.enqueue(half));
  half.id = {3, 0};
  ASSERT_TRUE(scheduler.enqueue(half));
  EXPECT_EQ(scheduler.schedule().size(), 2u);
  auto reasons = scheduler.why({3, 0}).reasons;
  ASSERT_FALSE(reasons.empty());
  EXPECT_THAT(reasons.front(),
              HasSubstr("needs 0.4 of a gpu, the most free of one is 0.2 (node n)"));
}

TEST(Scheduler, RefusesNonsense) {
  Scheduler scheduler;
  auto bad = request(1, -1);
  EXPECT_EQ(scheduler.enqueue(bad).error().code, Errc::invalid);
  bad = request(1, 1);
  bad.workers_min = 2;
  EXPECT_EQ(scheduler.enqueue(bad).error().code, Errc::invalid);
  scheduler.release({9, 0}, 3);
  scheduler.release_all({9, 0});
  scheduler.remove_node("none");
  EXPECT_FALSE(scheduler.position({9, 0}));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(SchedulerScale, AMillionWaitAndStartsStayQuick) {
  constexpr uint32_t count = 1'000'000, starts = 20'000;
  Scheduler scheduler;
  for (int i = 0; i < 16; ++i) scheduler.put_node(node("n" + std::to_string(i), 4));
  auto before = mallinfo2().uordblks;
  auto begin = std::chrono::steady_clock::now();
  auto one = request(7, 1000);
  one.user = "a user with a rather long name";
  for (one.id.member = 1; one.id.member <= count; ++one.id.member)
    ASSERT_TRUE(scheduler.enqueue(one));
  auto bytes = (mallinfo2().uordblks - before) / count;
  fmt::print("enqueue: {:.0f}/s, {} bytes each\n", count / seconds_since(begin), bytes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(bytes, 150u);
#endif
  begin = std::chrono::steady_clock::now();
  std::vector<Placement> running = scheduler.schedule();
  EXPECT_EQ(running.size(), 64u);
  for (uint32_t i = 0; i < starts; ++i) {
    scheduler.release_all(running[i].id);
    auto next = scheduler.schedule();
    ASSERT_EQ(next.size(), 1u);
    running.push_back(next[0]);
  }
  fmt::print("release and start: {:.0f}/s\n", starts / seconds_since(begin));
  begin = std::chrono::steady_clock::now();
  EXPECT_EQ(scheduler.position({7, count}), count - 65 - starts);
  scheduler.why({7, count});
  fmt::print("position and why of the last: {:.3f} ms\n", seconds_since(begin) * 1e3);
  for (uint32_t member = count; member > 0; --member) scheduler.dequeue({7, member});
  EXPECT_EQ(scheduler.waiting(), 0u);
}

}  // namespace
}  // namespace troupe::schedule
