// Gangs whose workers need different things.
#include "runtime/schedule/ranks.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>

namespace troupe::schedule {
namespace {

using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

NodeSpec node(std::string name, int64_t cpus, uint32_t gpus = 0) {
  return {std::move(name), cpus * 1000, 8ull << 30, gpus, gpus == 0 ? "" : "H100", {}, true};
}

Request gang(uint64_t id, std::vector<Group> groups) {
  Request one;
  one.id = {id, 0};
  one.workers_min = 0;
  for (const auto& group : groups) one.workers_min += group.count;
  one.workers_max = one.workers_min;
  one.groups = std::move(groups);
  return one;
}

/// One parameter server of so many CPUs, and so many workers of one GPU and two CPUs.
Request servers_and_workers(uint64_t id, int64_t cpus, uint32_t workers) {
  return gang(id, {{"ps", 1, {cpus * 1000, 0, 0}, "", 0, {}},
                   {"worker", workers, {2000, 0, 1}, "", 0, {}}});
}

std::vector<std::string> nodes_of(const Placement& placement) {
  std::vector<std::string> names;
  for (const auto& job : placement.jobs) names.push_back(job.node);
  return names;
}

TEST(Groups, GetWhatEachOfThemNeedsAndAllAtOnce) {
  Scheduler scheduler;
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  ASSERT_TRUE(scheduler.enqueue(servers_and_workers(1, 4, 2)));
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_THAT(nodes_of(started[0]), ElementsAre("cpu", "gpu", "gpu"));
  EXPECT_TRUE(started[0].jobs[0].gpus.empty());
  EXPECT_THAT(started[0].jobs[1].gpus, ElementsAre(0));
  EXPECT_THAT(started[0].jobs[2].gpus, ElementsAre(1));
  EXPECT_EQ(scheduler.node("cpu")->used, (Amount{4000, 0, 0}));
  EXPECT_EQ(scheduler.node("gpu")->used, (Amount{4000, 0, 2}));
  scheduler.release({1, 0}, 0);
  EXPECT_EQ(scheduler.node("cpu")->used, Amount{});
  scheduler.release_all({1, 0});
  EXPECT_EQ(scheduler.node("gpu")->used, Amount{});
}

TEST(Groups, HoldNothingWhileOneOfThemHasNoRoom) {
  Scheduler scheduler;
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  Request other;
  other.id = {1, 0};
  other.amount = {6000, 0, 0};
  ASSERT_TRUE(scheduler.enqueue(other));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(servers_and_workers(2, 4, 2)));
  EXPECT_TRUE(scheduler.schedule().empty());
  EXPECT_EQ(scheduler.node("gpu")->used, Amount{});
  auto why = scheduler.why({2, 0});
  EXPECT_THAT(why.reasons, ElementsAre(StartsWith("there is room for each role by itself, not for "
                                                  "all together: 1 ps with 4 cpus; 2 worker with "
                                                  "2 cpus, 1 gpu each")))
      << "the server would fit where the workers must go";
  scheduler.release_all({1, 0});
  EXPECT_EQ(scheduler.schedule().size(), 1u);
}

TEST(Groups, SayWhichOfThemHasNoRoom) {
  Scheduler scheduler;
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  Request other;
  other.id = {1, 0};
  other.amount = {6000, 0, 0};
  ASSERT_TRUE(scheduler.enqueue(other));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(servers_and_workers(2, 8, 1)));
  EXPECT_TRUE(scheduler.schedule().empty());
  EXPECT_THAT(scheduler.why({2, 0}).reasons,
              ElementsAre("ps needs 8 cpus, the most free on a node is 4 of 4 (node gpu)"));
}

TEST(Groups, ThatNoNodesCouldRunAreRefusedByName) {
  Scheduler scheduler;
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  auto alone = scheduler.check(servers_and_workers(1, 16, 2));
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().detail,
            "each ps needs 16 cpus; the largest node is node cpu with 8 cpus, 8 GiB mem");
  auto many = scheduler.check(servers_and_workers(1, 4, 3));
  ASSERT_FALSE(many);
  EXPECT_THAT(many.error().detail, StartsWith("needs 3 workers at once, each with 2 cpus, 1 gpu"));
  scheduler.remove_node("cpu");
  auto together = scheduler.check(servers_and_workers(1, 4, 2));
  ASSERT_FALSE(together);
  EXPECT_THAT(together.error().detail, HasSubstr("each role would fit by itself"));
  auto wrong = servers_and_workers(3, 1, 1);
  wrong.workers_max = 5;
  EXPECT_EQ(scheduler.enqueue(wrong).error().code, Errc::invalid);
}

/// A whole node for each of two, of which only one fits both: the order of groups decides.
TEST(Groups, TryAnotherOrderWhereTheFirstLeavesNoRoom) {
  Scheduler scheduler;
  auto labelled = node("a", 6);
  labelled.labels = {{"disk", "fast"}};
  scheduler.put_node(labelled);
  scheduler.put_node(node("b", 8));
  // The larger group goes first and would take the fullest node that has room, which is "a".
  auto request = gang(1, {{"chief", 1, {5000, 0, 0}, "", 0, {{"disk", "fast"}}},
                          {"worker", 1, {6000, 0, 0}, "", 0, {}}});
  ASSERT_TRUE(scheduler.check(request));
  ASSERT_TRUE(scheduler.enqueue(request));
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_THAT(nodes_of(started[0]), ElementsAre("a", "b"));
}

/// 8 = 3 + 3 + 2 and 7 = 3 + 2 + 2: whichever group fills the nodes first leaves no room.
TEST(Groups, AreMixedWhereNoOrderOfThemFits) {
  Scheduler scheduler;
  scheduler.put_node(node("a", 8));
  scheduler.put_node(node("b", 7));
  auto request =
      gang(1, {{"ps", 3, {2000, 0, 0}, "", 0, {}}, {"worker", 3, {3000, 0, 0}, "", 0, {}}});
  ASSERT_TRUE(scheduler.check(request));
  ASSERT_TRUE(scheduler.enqueue(request));
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  auto names = nodes_of(started[0]);
  EXPECT_EQ(std::count(names.begin(), names.begin() + 3, "a"), 1);
  EXPECT_EQ(std::count(names.begin() + 3, names.end(), "a"), 2);
  EXPECT_EQ(scheduler.node("a")->used.milli_cpus, 8000);
  auto more = gang(2, {{"ps", 4, {2000, 0, 0}, "", 0, {}}, {"worker", 3, {3000, 0, 0}, "", 0, {}}});
  EXPECT_FALSE(scheduler.check(more));
}

TEST(Groups, OfAllSizesAreFoundAPlaceWithinMilliseconds) {
  Scheduler scheduler;
  for (int i = 0; i < 500; ++i)
    scheduler.put_node(node("n" + std::to_string(i), 30 + i % 7, static_cast<uint32_t>(i % 9)));
  auto request = gang(1, {{"chief", 1, {7000, 0, 1}, "", 0, {}},
                          {"worker", 300, {5000, 0, 3}, "", 0, {}},
                          {"ps", 900, {9000, 0, 0}, "", 0, {}},
                          {"evaluator", 1, {11000, 0, 1}, "", 0, {}}});
  auto began = std::chrono::steady_clock::now();
  (void)scheduler.check(request);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds{2});
}

TEST(Groups, SayWhatSmallerOneWouldStartNow) {
  Scheduler scheduler;
  scheduler.put_node(node("a", 8));
  scheduler.put_node(node("b", 7));
  Request other;
  other.id = {1, 0};
  other.amount = {4000, 0, 0};
  ASSERT_TRUE(scheduler.enqueue(other));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  auto two = gang(2, {{"ps", 3, {2000, 0, 0}, "", 0, {}}, {"worker", 3, {3000, 0, 0}, "", 0, {}}});
  ASSERT_TRUE(scheduler.enqueue(two));
  EXPECT_TRUE(scheduler.schedule().empty());
  EXPECT_EQ(scheduler.why({2, 0}).starts_now_with, "with 1 worker: now");
  scheduler.dequeue({2, 0});
  auto one = gang(3, {{"ps", 1, {2000, 0, 0}, "", 0, {}}, {"worker", 1, {8000, 0, 0}, "", 0, {}}});
  scheduler.release_all({1, 0});
  other.amount.milli_cpus = 1000;
  other.id = {4, 0};
  ASSERT_TRUE(scheduler.enqueue(other));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  other.id = {5, 0};
  other.amount.milli_cpus = 6000;
  ASSERT_TRUE(scheduler.enqueue(other));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(one));
  EXPECT_TRUE(scheduler.schedule().empty());
  EXPECT_EQ(scheduler.why({3, 0}).starts_now_with, "with 6 cpus for worker: now");
}

TEST(Groups, AreWhatBackfillKeepsRoomFor) {
  Scheduler scheduler{Policy::backfill()};
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  Request running;
  running.id = {1, 0};
  running.amount = {2000, 0, 2};
  running.limit = minutes{10};
  ASSERT_TRUE(scheduler.enqueue(running));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  ASSERT_TRUE(scheduler.enqueue(servers_and_workers(2, 6, 2)));
  Request small;
  small.id = {3, 0};
  small.amount = {3000, 0, 0};
  small.limit = minutes{60};
  ASSERT_TRUE(scheduler.enqueue(small));
  EXPECT_TRUE(scheduler.schedule().empty()) << "the server's CPUs are kept free for it";
  EXPECT_EQ(scheduler.why({2, 0}).expected_start, std::optional<Time>{minutes{10}});
  Request short_one = small;
  short_one.id = {4, 0};
  short_one.limit = minutes{5};
  ASSERT_TRUE(scheduler.enqueue(short_one));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  scheduler.release_all({4, 0});
  scheduler.release_all({1, 0});
  auto started = scheduler.schedule();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_THAT(nodes_of(started[0]), ElementsAre("cpu", "gpu", "gpu"));
}

TEST(Groups, HaveOthersStoppedForThemAndAreStoppedThemselves) {
  Scheduler scheduler{Policy::attained()};
  scheduler.put_node(node("cpu", 8));
  scheduler.put_node(node("gpu", 4, 2));
  auto low = servers_and_workers(1, 6, 2);
  low.priority = 10;
  ASSERT_TRUE(scheduler.enqueue(low));
  ASSERT_EQ(scheduler.schedule().size(), 1u);
  scheduler.set_time(minutes{30});
  auto high = servers_and_workers(2, 4, 1);
  high.priority = 90;
  ASSERT_TRUE(scheduler.enqueue(high));
  auto decision = scheduler.decide();
  ASSERT_EQ(decision.preemptions.size(), 1u);
  EXPECT_EQ(decision.preemptions[0].id, (ExperimentId{1, 0}));
  scheduler.release({1, 0}, 0);
  scheduler.release({1, 0}, 1);
  auto started = scheduler.decide().starts;
  if (started.empty()) {
    scheduler.release({1, 0}, 2);
    started = scheduler.decide().starts;
  }
  ASSERT_EQ(started.size(), 1u);
  EXPECT_THAT(nodes_of(started[0]), ElementsAre("cpu", "gpu"));
}

TEST(Groups, KeepTheirRanksWhereTheyWereWithinTheirOwn) {
  auto request = servers_and_workers(1, 1, 2);
  request.nodes_before = {"a", "b", "c"};
  std::vector<JobPlace> places{{0, "c", {}}, {1, "a", {0}}, {2, "b", {1}}};
  keep_ranks(request, places);
  EXPECT_EQ(places, (std::vector<JobPlace>{{0, "c", {}}, {1, "b", {1}}, {2, "a", {0}}}));
}

/// Random gangs of two or three groups among plain requests, under every policy.
class MixedGangs : public testing::TestWithParam<uint32_t> {
 protected:
  uint64_t pick(uint64_t n) { return random_() % n; }
  Amount amount() {
    Amount one{static_cast<int64_t>(1 + pick(8)) * 500, pick(3) << 30,
               static_cast<uint32_t>(pick(3))};
    if (one.gpus == 1 && pick(3) == 0) one.gpu_share = 500;
    return one;
  }
  Request draw() {
    Request one;
    if (pick(3) == 0) {
      one.amount = amount();
      one.workers_min = one.workers_max = static_cast<uint32_t>(1 + pick(3));
    } else {
      std::vector<Group> groups;
      for (uint64_t i = 2 + pick(2); i > 0; --i)
        groups.push_back({"r" + std::to_string(i),
                          static_cast<uint32_t>(1 + pick(3)),
                          amount(),
                          pick(4) ? "" : "A",
                          0,
                          {}});
      one = gang(1, std::move(groups));
    }
    one.id = {next_++, 0};
    one.priority = static_cast<int32_t>(10 * pick(3));
    if (pick(2)) one.limit = minutes{1 + pick(60)};
    return one;
  }
  void check_started(const Placement& placement) {
    ASSERT_TRUE(known_.contains(placement.id));
    const auto& request = known_.at(placement.id);
    ASSERT_EQ(placement.jobs.size(), request.workers_min) << "part of a gang";
    for (uint32_t i = 0; i < placement.jobs.size(); ++i) {
      EXPECT_EQ(placement.jobs[i].index, i);
      EXPECT_EQ(placement.jobs[i].gpus.size(), request.amount_at(i).gpus);
    }
    uint32_t worker = 0;
    for (const auto& group : request.groups)
      for (uint32_t i = 0; i < group.count; ++i, ++worker) {
        if (group.amount.gpus == 0 || group.gpu_type.empty()) continue;
        EXPECT_EQ(scheduler_->node(placement.jobs[worker].node)->spec.gpu_type, "A");
      }
    held_[placement.id] = placement.jobs;
  }
  void check_room() {
    std::map<std::string, Amount> used;
    std::map<std::pair<std::string, uint32_t>, uint32_t> devices;
    for (const auto& [id, jobs] : held_)
      for (const auto& job : jobs) {
        const auto& each = known_.at(id).amount_at(job.index);
        used[job.node].milli_cpus += each.milli_cpus;
        used[job.node].mem += each.mem;
        for (auto gpu : job.gpus) devices[{job.node, gpu}] += each.gpu_share;
      }
    for (const auto& use : scheduler_->nodes()) {
      const auto& sum = used[use.spec.name];
      EXPECT_LE(sum.milli_cpus, use.spec.milli_cpus);
      EXPECT_LE(sum.mem, use.spec.mem);
      EXPECT_EQ(sum.milli_cpus, use.used.milli_cpus);
      EXPECT_EQ(sum.mem, use.used.mem);
    }
    for (const auto& [device, share] : devices) {
      EXPECT_LE(share, whole_gpu) << device.first << " gpu " << device.second;
      EXPECT_LT(device.second, scheduler_->node(device.first)->spec.gpus);
    }
  }
  void decide() {
    auto decision = scheduler_->decide();
    for (const auto& placement : decision.starts) check_started(placement);
    for (const auto& one : decision.preemptions) stopping_.insert(one.id);
    check_room();
  }
  void end(ExperimentId id) {
    scheduler_->release_all(id);
    held_.erase(id);
    if (stopping_.erase(id) == 0) return;
    auto again = known_.at(id);
    EXPECT_TRUE(scheduler_->enqueue(again));
  }

  std::mt19937 random_;
  std::optional<Scheduler> scheduler_;
  uint64_t next_ = 1;
  std::map<ExperimentId, Request> known_;
  std::map<ExperimentId, std::vector<JobPlace>> held_;
  std::set<ExperimentId> stopping_;
};

TEST_P(MixedGangs, NeverHaveMoreThanThereIsAndAllStartInTheEnd) {
  random_.seed(GetParam());
  for (auto policy : {Policy::fifo(), Policy::backfill(), Policy::greedy(), Policy::attained()}) {
    if (pick(2)) policy.packing = Policy::Packing::fragmentation;
    scheduler_.emplace(policy);
    known_.clear(), held_.clear(), stopping_.clear();
    for (const char* name : {"a", "b", "c", "d"}) {
      auto spec = node(name, static_cast<int64_t>(2 + pick(8)), static_cast<uint32_t>(pick(5)));
      spec.gpu_type = pick(2) ? "A" : "B";
      scheduler_->put_node(spec);
    }
    Time now{0};
    for (int step = 0; step < 300; ++step) {
      scheduler_->set_time(now += minutes{pick(5)});
      if (pick(3) != 0) {
        auto request = draw();
        if (!scheduler_->check(request)) continue;
        known_.emplace(request.id, request);
        ASSERT_TRUE(scheduler_->enqueue(request));
      } else if (!held_.empty()) {
        end(std::next(held_.begin(), static_cast<long>(pick(held_.size())))->first);
      }
      decide();
      for (const auto& [id, request] : known_)
        EXPECT_EQ(scheduler_->is_waiting(id), scheduler_->why(id).waiting);
    }
    for (int round = 0; round < 5000 && (!held_.empty() || scheduler_->waiting() != 0); ++round) {
      scheduler_->set_time(now += minutes{1});
      if (!held_.empty()) end(held_.begin()->first);
      decide();
    }
    EXPECT_TRUE(held_.empty());
    for (const auto& [id, request] : known_)
      EXPECT_FALSE(scheduler_->is_waiting(id))
          << "waits for ever on empty nodes: " << to_string(id) << " "
          << testing::PrintToString(scheduler_->why(id).reasons);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MixedGangs, testing::Range(1u, 13u));

}  // namespace
}  // namespace troupe::schedule
