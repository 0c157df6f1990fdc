#include "runtime/schedule/policy.hpp"

#include "runtime/schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::schedule {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NodeSpec gpus(std::string name, uint32_t count, std::string type = "",
              std::map<std::string, std::string> labels = {}) {
  return {std::move(name), 64'000, 0, count, std::move(type), std::move(labels), true};
}
Request request(uint64_t id, uint32_t count) {
  Request one;
  one.id = {id, 0};
  one.amount.gpus = count;
  return one;
}
std::vector<ExperimentId> ids(const std::vector<Placement>& placements) {
  std::vector<ExperimentId> all;
  for (const auto& placement : placements) all.push_back(placement.id);
  return all;
}
ExperimentId id(uint64_t top) {
  return {top, 0};
}
/// Attained service alone: no shares, so that tests see one thing at a time.
Policy service_only() {
  auto policy = Policy::attained();
  policy.fair_share = false;
  return policy;
}

TEST(Policy, IsKnownByName) {
  for (const auto* name : {"fifo", "backfill", "greedy", "attained"})
    EXPECT_TRUE(policy_named(name)) << name;
  EXPECT_THAT(policy_named("lottery").error().hint, HasSubstr("attained"));
}

TEST(Policy, GreedyPassesWhatDoesNotFit) {
  Scheduler scheduler{Policy::greedy()};
  scheduler.put_node(gpus("n", 4));
  ASSERT_TRUE(scheduler.enqueue(request(1, 3)));
  ASSERT_TRUE(scheduler.enqueue(request(2, 2)));
  ASSERT_TRUE(scheduler.enqueue(request(3, 1)));
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(1), id(3)));
}

TEST(Policy, BackfillPassesOnlyWhereItDelaysNobody) {
  Scheduler scheduler{Policy::backfill()};
  scheduler.put_node(gpus("n", 4));
  auto running = request(1, 3);
  running.limit = hours{2};
  auto head = request(2, 3);
  auto unlimited = request(3, 1), long_one = request(4, 1), short_one = request(5, 1);
  long_one.limit = hours{3};
  short_one.limit = hours{1};
  for (const auto& one : {running, head, unlimited, long_one, short_one})
    ASSERT_TRUE(scheduler.enqueue(one));
  // The head gets its room after two hours and leaves one GPU then: any one of them may pass, the
  // first without a limit, and no other beside it.
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(1), id(3)));
  EXPECT_EQ(scheduler.why(id(2)).expected_start, Time{hours{2}});

  Scheduler full{Policy::backfill()};
  full.put_node(gpus("n", 4));
  head.amount.gpus = 4;
  for (const auto& one : {running, head, unlimited, long_one, short_one})
    ASSERT_TRUE(full.enqueue(one));
  EXPECT_THAT(ids(full.schedule()), ElementsAre(id(1), id(5)));
  full.set_time(hours{1});
  full.release_all(id(5));
  EXPECT_THAT(full.schedule(), IsEmpty());
  full.set_time(hours{2});
  full.release_all(id(1));
  EXPECT_THAT(ids(full.schedule()), ElementsAre(id(2)));
}

TEST(Policy, WithoutLimitsBackfillKeepsTheLine) {
  Scheduler scheduler{Policy::backfill()};
  scheduler.put_node(gpus("n", 4));
  for (const auto& one : {request(1, 3), request(2, 3), request(3, 1)})
    ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(1)));
  EXPECT_FALSE(scheduler.why(id(2)).expected_start);
}

TEST(Policy, WhoReceivedLessGoesFirstAndTheOtherKeepsItsService) {
  Scheduler scheduler{service_only()};
  scheduler.put_node(gpus("n", 4));
  ASSERT_TRUE(scheduler.enqueue(request(1, 4)));
  EXPECT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(request(2, 4)));
  // 0.2 GPU-hours are 3 minutes of 4 GPUs, but nothing is stopped within its slice.
  scheduler.set_time(minutes{5});
  auto decision = scheduler.decide();
  EXPECT_THAT(decision.preemptions, IsEmpty());
  ASSERT_TRUE(decision.wake);
  EXPECT_EQ(*decision.wake, Time{minutes{10}});
  scheduler.set_time(*decision.wake);
  decision = scheduler.decide();
  ASSERT_EQ(decision.preemptions.size(), 1u);
  EXPECT_EQ(decision.preemptions[0].id, id(1));
  EXPECT_EQ(decision.preemptions[0].in_favour_of, id(2));
  EXPECT_THAT(decision.preemptions[0].cause, HasSubstr("makes room for 2"));
  EXPECT_THAT(decision.starts, IsEmpty());
  EXPECT_THAT(scheduler.why(id(2)).reasons,
              ElementsAre("it starts when 1 has stopped to make room for it"));
  EXPECT_THAT(scheduler.decide().preemptions, IsEmpty()) << "told twice";
  // What comes meanwhile does not get the room that was cleared.
  ASSERT_TRUE(scheduler.enqueue(request(3, 1)));
  scheduler.set_time(minutes{11});
  scheduler.release_all(id(1));
  ASSERT_TRUE(scheduler.enqueue(request(1, 4)));
  EXPECT_EQ(scheduler.service(id(1)), gpu_hour * 44 / 60);
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(2)));
  EXPECT_THAT(scheduler.why(id(1)).reasons,
              Contains("it has received 0.7 GPU-hours; those that received less go first"));
  scheduler.release_all(id(2));
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(3)));
}

TEST(Policy, ARunningOneKeepsItsPlaceAmongEquals) {
  Scheduler scheduler{service_only()};
  scheduler.put_node(gpus("n", 1));
  ASSERT_TRUE(scheduler.enqueue(request(2, 1)));
  scheduler.schedule();
  scheduler.set_time(minutes{11});
  ASSERT_TRUE(scheduler.enqueue(request(3, 1)));
  EXPECT_THAT(scheduler.decide().preemptions, IsEmpty());  // 0.18 GPU-hours: still the first level
  scheduler.set_time(minutes{12});
  EXPECT_EQ(scheduler.decide().preemptions.size(), 1u);
}

TEST(Policy, PriorityStopsTheNewestOfTheLowestAndNoMoreThanNeeded) {
  auto policy = Policy::fifo();
  policy.preempt = true;
  Scheduler scheduler{policy};
  scheduler.put_node(gpus("a", 2));
  scheduler.put_node(gpus("b", 2));
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(scheduler.enqueue(request(i, 1)));
  EXPECT_EQ(scheduler.schedule().size(), 4u);
  auto urgent = request(5, 1);
  urgent.priority = 60;
  ASSERT_TRUE(scheduler.enqueue(urgent));
  auto stops = scheduler.decide().preemptions;
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].id, id(4));
  EXPECT_THAT(stops[0].cause, HasSubstr("higher priority"));
  auto whole_node = request(6, 2);
  whole_node.priority = 70;
  ASSERT_TRUE(scheduler.enqueue(whole_node));
  stops = scheduler.decide().preemptions;  // 3 alone would not do: 4 is spoken for
  ASSERT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[0].id, id(2));
  EXPECT_EQ(stops[1].id, id(1));
}

/// One GPU, on which 1 runs; 2 is more urgent.
Scheduler with_an_urgent_one_behind(bool preemptible) {
  auto policy = Policy::fifo();
  policy.preempt = true;
  Scheduler scheduler{policy};
  scheduler.put_node(gpus("n", 1));
  auto first = request(1, 1);
  first.preemptible = preemptible;
  EXPECT_TRUE(scheduler.enqueue(first));
  scheduler.schedule();
  auto urgent = request(2, 1);
  urgent.priority = 99;
  EXPECT_TRUE(scheduler.enqueue(urgent));
  return scheduler;
}

TEST(Policy, WhatMayNotBeStoppedIsNot) {
  auto scheduler = with_an_urgent_one_behind(false);
  EXPECT_THAT(scheduler.decide().preemptions, IsEmpty());
}

TEST(Policy, AKilledOneGivesUpTheRoomThatWasClearedForIt) {
  auto scheduler = with_an_urgent_one_behind(true);
  EXPECT_EQ(scheduler.decide().preemptions.size(), 1u);
  EXPECT_TRUE(scheduler.is_waiting(id(2)));
  EXPECT_TRUE(scheduler.dequeue(id(2)));
  scheduler.release_all(id(1));
  ASSERT_TRUE(scheduler.enqueue(request(3, 1)));
  ASSERT_TRUE(scheduler.enqueue(request(1, 1)));
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(1))) << "it comes back to its old place";
}

TEST(Policy, ALostNodeTakesThePromiseWithIt) {
  auto scheduler = with_an_urgent_one_behind(true);
  EXPECT_EQ(scheduler.decide().preemptions.size(), 1u);
  scheduler.remove_node("n");
  EXPECT_THAT(scheduler.decide().starts, IsEmpty());
  scheduler.put_node(gpus("m", 1));
  EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(2)));
}

TEST(Policy, WhoStarvesGoesFirstAndNothingPassesIt) {
  Scheduler scheduler{service_only()};
  scheduler.put_node(gpus("n", 2));
  ASSERT_TRUE(scheduler.enqueue(request(1, 1)));
  scheduler.schedule();
  auto large = request(2, 2);
  large.service = 100 * gpu_hour;  // far down: everything goes before it
  ASSERT_TRUE(scheduler.enqueue(large));
  uint64_t next = 3;
  Time now{0};
  // One short job after the other takes whatever is free, for a day.
  for (int step = 0; step < 24 * 6 * 2; ++step) {
    scheduler.set_time(now += minutes{5});
    scheduler.release_all(id(next - 1));
    ASSERT_TRUE(scheduler.enqueue(request(next++, 1)));
    auto decision = scheduler.decide();
    for (const auto& stop : decision.preemptions) {
      EXPECT_EQ(stop.in_favour_of, id(2));
      EXPECT_THAT(stop.cause, HasSubstr("waited too long"));
      scheduler.release_all(stop.id);
    }
    decision = scheduler.decide();
    for (const auto& placement : decision.starts)
      if (placement.id == id(2)) {
        EXPECT_GE(now, Time{hours{20}});
        EXPECT_LE(now, Time{hours{21}});
        return;
      }
  }
  FAIL() << "it starved";
}

TEST(Policy, WhoStarvesGoesBeforeThoseWhoUsedLess) {
  Scheduler scheduler{Policy::attained()};
  scheduler.put_node(gpus("n", 1));
  auto of = [](uint64_t number, std::string user) {
    auto one = request(number, 1);
    one.user = std::move(user);
    return one;
  };
  ASSERT_TRUE(scheduler.enqueue(of(1, "ada")));
  EXPECT_EQ(scheduler.schedule().size(), 1u);
  Time now = hours{100};  // far more than bob will have used for days
  scheduler.set_time(now);
  ASSERT_TRUE(scheduler.enqueue(of(2, "ada")));
  for (uint64_t next = 3; next < 30; ++next) {
    ASSERT_TRUE(scheduler.enqueue(of(next, "bob")));
    scheduler.release_all(next == 3 ? id(1) : id(next - 1));
    auto started = ids(scheduler.schedule());
    if (started == std::vector{id(2)}) {
      EXPECT_EQ(now, Time{hours{120}});
      return;
    }
    ASSERT_THAT(started, ElementsAre(id(next)));
    scheduler.set_time(now += hours{1});
  }
  FAIL() << "it starved";
}

TEST(Policy, SharesAreFairBetweenProjectsThenUsers) {
  auto policy = Policy::greedy();
  policy.fair_share = true;
  Scheduler scheduler{policy};
  scheduler.put_node(gpus("n", 1));
  auto of = [](uint64_t number, std::string project, std::string user) {
    auto one = request(number, 1);
    one.project = std::move(project);
    one.user = std::move(user);
    return one;
  };
  ASSERT_TRUE(scheduler.enqueue(of(1, "p", "ada")));
  EXPECT_EQ(scheduler.schedule().size(), 1u);
  for (uint64_t i = 2; i < 6; ++i) ASSERT_TRUE(scheduler.enqueue(of(i, "p", "ada")));
  ASSERT_TRUE(scheduler.enqueue(of(6, "p", "bob")));
  ASSERT_TRUE(scheduler.enqueue(of(7, "q", "cid")));
  std::vector<ExperimentId> order{id(1)};
  for (int i = 1; i <= 6; ++i) {
    scheduler.set_time(hours{i});
    scheduler.release_all(order.back());
    auto started = scheduler.schedule();
    ASSERT_EQ(started.size(), 1u);
    order.push_back(started[0].id);
  }
  // Project q had nothing, then bob had nothing of p's, then ada has the rest.
  EXPECT_THAT(order, ElementsAre(id(1), id(7), id(6), id(2), id(3), id(4), id(5)));
}

TEST(Policy, LabelsChooseTheNodeAndAreNamedWhereNoneHasThem) {
  Scheduler scheduler;
  scheduler.put_node(gpus("a", 1, "H100", {{"rack", "1"}}));
  scheduler.put_node(gpus("b", 1, "H100", {{"rack", "2"}}));
  auto one = request(1, 1);
  one.labels = {{"rack", "2"}};
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_EQ(scheduler.schedule().at(0).jobs[0].node, "b");
  one.id = id(2);
  one.labels = {{"rack", "3"}};
  EXPECT_THAT(scheduler.check(one).error().detail, HasSubstr("label rack=3"));
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_THAT(scheduler.schedule(), IsEmpty());
  EXPECT_THAT(scheduler.why(id(2)).reasons,
              Contains("needs label rack=3, no node that accepts jobs has it"));
}

TEST(Policy, PartsOfAGpuShareOneWhileTheyFit) {
  for (auto packing : {Policy::Packing::best_fit, Policy::Packing::fragmentation}) {
    Policy policy = Policy::greedy();
    policy.packing = packing;
    Scheduler scheduler{policy};
    scheduler.put_node(gpus("n", 2));
    auto part = [](uint64_t number, uint32_t share) {
      auto one = request(number, 1);
      one.amount.gpu_share = share;
      return one;
    };
    ASSERT_TRUE(scheduler.enqueue(part(1, 600)));
    ASSERT_TRUE(scheduler.enqueue(part(2, 400)));
    ASSERT_TRUE(scheduler.enqueue(part(3, 500)));
    ASSERT_TRUE(scheduler.enqueue(part(4, 600)));
    ASSERT_TRUE(scheduler.enqueue(request(5, 1)));
    auto started = scheduler.schedule();
    ASSERT_THAT(ids(started), ElementsAre(id(1), id(2), id(3)));
    EXPECT_EQ(started[0].jobs[0].gpus, started[1].jobs[0].gpus);
    EXPECT_NE(started[0].jobs[0].gpus, started[2].jobs[0].gpus);
    scheduler.release_all(id(3));
    EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(4)));
    scheduler.release_all(id(1));
    EXPECT_THAT(scheduler.schedule(), IsEmpty()) << "a whole GPU is none of which a part is held";
    scheduler.release_all(id(2));
    EXPECT_THAT(ids(scheduler.schedule()), ElementsAre(id(5)));
  }
}

TEST(Policy, AgainstFragmentsKeepsWholeNodesForWhatNeedsThem) {
  auto policy = Policy::greedy();
  policy.packing = Policy::Packing::fragmentation;
  Scheduler scheduler{policy};
  scheduler.put_node(gpus("a", 8));
  scheduler.put_node(gpus("b", 8));
  for (int i = 0; i < 10; ++i) scheduler.expect(request(99, i % 2 ? 8 : 1));
  ASSERT_TRUE(scheduler.enqueue(request(1, 1)));
  ASSERT_TRUE(scheduler.enqueue(request(2, 1)));
  ASSERT_TRUE(scheduler.enqueue(request(3, 8)));
  EXPECT_EQ(scheduler.schedule().size(), 3u);
}

TEST(Policy, SaysWhatWouldStartNowAndWhenTheRoomComes) {
  Scheduler scheduler{service_only()};
  scheduler.put_node(gpus("n", 8));
  auto running = request(1, 6);
  running.limit = hours{3};
  ASSERT_TRUE(scheduler.enqueue(running));
  scheduler.schedule();
  ASSERT_TRUE(scheduler.enqueue(request(2, 4)));
  EXPECT_THAT(scheduler.schedule(), IsEmpty());
  auto why = scheduler.why(id(2));
  EXPECT_THAT(why.reasons, ElementsAre("needs 4 gpus, the most free on a node is 2 of 8 (node n)"));
  EXPECT_EQ(why.starts_now_with, "with 2 gpus: now");
  EXPECT_EQ(why.expected_start, Time{hours{3}});
}

}  // namespace
}  // namespace troupe::schedule
