// Sets of which not all members are sure of a place: who is beyond, who gives way, and when.
#include "runtime/schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

namespace troupe::schedule {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t set = 42;

Request one_cpu(ExperimentId id, uint32_t cpus = 1) {
  Request request;
  request.id = id;
  request.amount.milli_cpus = cpus * 1000;
  return request;
}

std::vector<ExperimentId> ids_of(const std::vector<Placement>& starts) {
  std::vector<ExperimentId> ids;
  for (const auto& start : starts) ids.push_back(start.id);
  return ids;
}

ExperimentId member(uint32_t number, uint64_t top = set) {
  return {top, number};
}

class Ranges : public testing::Test {
 protected:
  explicit Ranges(Policy policy = {}) : scheduler{std::move(policy)} { add_node("a", 4); }

  void add_node(const std::string& name, int64_t cpus) {
    NodeSpec node;
    node.name = name;
    node.milli_cpus = cpus * 1000;
    scheduler.put_node(node);
  }
  std::vector<ExperimentId> start(const Request& request) {
    EXPECT_TRUE(scheduler.enqueue(request));
    return ids_of(scheduler.decide().starts);
  }
  std::vector<ExperimentId> start_members(uint32_t count) {
    for (uint32_t i = 1; i <= count; ++i) EXPECT_TRUE(scheduler.enqueue(one_cpu(member(i))));
    return ids_of(scheduler.decide().starts);
  }
  /// Who is stopped when it writes a checkpoint.
  std::vector<ExperimentId> checkpoint(ExperimentId id) {
    scheduler.checkpointed(id);
    std::vector<ExperimentId> stopped;
    for (const auto& one : scheduler.decide().preemptions) {
      stopped.push_back(one.id);
      cause = one.cause;
    }
    return stopped;
  }
  /// It has stopped as it was told to, and waits again.
  std::vector<ExperimentId> again(const Request& request) {
    scheduler.release_all(request.id);
    EXPECT_TRUE(scheduler.enqueue(request));
    return ids_of(scheduler.decide().starts);
  }
  std::vector<ExperimentId> ends(ExperimentId id) {
    scheduler.release_all(id);
    return ids_of(scheduler.decide().starts);
  }
  void at(Time time) { scheduler.set_time(time); }

  Scheduler scheduler;
  std::string cause;
};

TEST_F(Ranges, GrowsIntoIdleRoomAndGivesItBackAtACheckpoint) {
  scheduler.set_range(set, 2);
  EXPECT_THAT(start_members(4), SizeIs(4));
  EXPECT_THAT(start(one_cpu({50, 0})), IsEmpty());
  EXPECT_THAT(scheduler.decide().preemptions, IsEmpty()) << "what they did since would be lost";
  EXPECT_THAT(checkpoint(member(2)), IsEmpty()) << "it is sure of its place";
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), ElementsAre(member(4)));
  EXPECT_EQ(cause, "gives its place to 50, beyond the 2 that set 42 is sure of");
  EXPECT_THAT(scheduler.why({50, 0}).reasons, ElementsAre(HasSubstr("when 42.4 has stopped")));
  EXPECT_THAT(checkpoint(member(3)), IsEmpty()) << "one place is all that is needed";
  EXPECT_THAT(again(one_cpu(member(4))), ElementsAre(ExperimentId{50, 0}));
  EXPECT_THAT(scheduler.why(member(4)).reasons,
              Contains(HasSubstr("2 of set 42 run, as many as are sure of a place")));
  EXPECT_THAT(ends({50, 0}), ElementsAre(member(4)));
}

TEST_F(Ranges, TheYoungestThatWritesCheckpointsGivesWay) {
  scheduler.set_range(set, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(3)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0})), IsEmpty());
  auto why = scheduler.why({50, 0});
  EXPECT_THAT(why.reasons,
              Contains(HasSubstr("run 42.4: each gives its place back when it writes")));
  at(seconds{20});
  EXPECT_THAT(checkpoint(member(2)), IsEmpty()) << "3 is younger, and its next is due";
  EXPECT_THAT(checkpoint(member(3)), ElementsAre(member(3)))
      << "nobody can count on 4, which has written none";
  EXPECT_THAT(again(one_cpu(member(3))), ElementsAre(ExperimentId{50, 0}));
}

TEST_F(Ranges, OneWhoseCheckpointsDoNotComeAnyMoreIsNotCountedOn) {
  scheduler.set_range(set, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
  EXPECT_THAT(checkpoint(member(2)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0})), IsEmpty());
  at(seconds{20});
  EXPECT_THAT(checkpoint(member(2)), IsEmpty()) << "4 may still write one";
  at(seconds{31});
  EXPECT_THAT(checkpoint(member(2)), ElementsAre(member(2)));
}

TEST_F(Ranges, ManyMakeRoomForAGangOneByOne) {
  scheduler.set_range(set, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
  EXPECT_THAT(checkpoint(member(3)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0}, 3)), IsEmpty());
  at(seconds{15});
  EXPECT_THAT(checkpoint(member(2)), ElementsAre(member(2))) << "all three are counted on";
  EXPECT_THAT(again(one_cpu(member(2))), IsEmpty()) << "it does not take back what it gave";
  EXPECT_THAT(checkpoint(member(4)), ElementsAre(member(4)));
  EXPECT_THAT(again(one_cpu(member(4))), IsEmpty());
  EXPECT_THAT(checkpoint(member(3)), ElementsAre(member(3)));
  EXPECT_THAT(again(one_cpu(member(3))), ElementsAre(ExperimentId{50, 0}));
}

TEST_F(Ranges, NobodyStopsForAGangThatHasNoRoomThen) {
  scheduler.set_range(set, 3);
  ASSERT_THAT(start_members(4), SizeIs(4));
  ASSERT_THAT(start(one_cpu({50, 0}, 3)), IsEmpty());
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
}

TEST_F(Ranges, WaitsBehindAllOfItsPriority) {
  scheduler.set_range(set, 2);
  auto own = one_cpu({40, 0}, 4);
  ASSERT_THAT(start(own), SizeIs(1));
  for (uint32_t i = 1; i <= 4; ++i) EXPECT_THAT(start(one_cpu(member(i))), IsEmpty());
  EXPECT_THAT(start(one_cpu({50, 0})), IsEmpty());
  auto low = one_cpu({51, 0});
  low.priority = 10;
  EXPECT_THAT(start(low), IsEmpty());
  EXPECT_THAT(ends({40, 0}), ElementsAre(member(1), member(2), ExperimentId{50, 0}, member(3)));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(3)), IsEmpty()) << "51 has a lower priority";
  EXPECT_THAT(ends(member(1)), ElementsAre(member(4))) << "2 and 3 are sure of theirs now";
  EXPECT_THAT(checkpoint(member(3)), IsEmpty());
}

TEST_F(Ranges, WhoeverEndsMakesAnOlderOneSure) {
  scheduler.set_range(set, 2);
  ASSERT_THAT(start_members(4), SizeIs(4));
  EXPECT_THAT(ends(member(1)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0}, 2)), IsEmpty());
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(3)), IsEmpty());
  EXPECT_THAT(checkpoint(member(4)), ElementsAre(member(4)));
}

TEST_F(Ranges, ARangeIsChangedWhileTheyRun) {
  ASSERT_THAT(start_members(4), SizeIs(4));
  ASSERT_TRUE(scheduler.enqueue(one_cpu(member(5))));
  ASSERT_THAT(start(one_cpu({50, 0})), IsEmpty());
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty()) << "there is none";
  scheduler.set_range(set, 3);
  EXPECT_EQ(scheduler.position({50, 0}), 0u) << "5 is beyond now";
  EXPECT_THAT(checkpoint(member(4)), ElementsAre(member(4)));
  scheduler.dequeue({50, 0});
  EXPECT_THAT(again(one_cpu(member(4))), ElementsAre(member(4))) << "it is the older one";
  ASSERT_THAT(start(one_cpu({51, 0})), IsEmpty());
  scheduler.set_range(set, 0);
  EXPECT_EQ(scheduler.position(member(5)), 0u);
  at(seconds{20});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
  EXPECT_THAT(ends(member(1)), ElementsAre(member(5)));
}

TEST_F(Ranges, OfTwoSetsNeitherGivesWhatIsBeyondToTheOthersBeyond) {
  scheduler.set_range(set, 1);
  scheduler.set_range(43, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  EXPECT_THAT(start(one_cpu(member(1, 43))), IsEmpty());
  EXPECT_THAT(start(one_cpu(member(2, 43))), IsEmpty());
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), ElementsAre(member(4))) << "43.1 is sure of a place";
  EXPECT_THAT(again(one_cpu(member(4))), ElementsAre(member(1, 43)));
  EXPECT_THAT(checkpoint(member(3)), IsEmpty());
}

TEST_F(Ranges, WhatMustNotBeStoppedStays) {
  scheduler.set_range(set, 1);
  auto firm = one_cpu(member(2), 3);
  firm.preemptible = false;
  ASSERT_THAT(start(one_cpu(member(1))), SizeIs(1));
  ASSERT_THAT(start(firm), SizeIs(1));
  ASSERT_THAT(start(one_cpu({50, 0})), IsEmpty());
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(2)), IsEmpty());
}

class RangesWhereAllMayPass : public Ranges {
 protected:
  RangesWhereAllMayPass() : Ranges{Policy::greedy()} {}
};

TEST_F(RangesWhereAllMayPass, WhatIsCollectedIsNotTakenByTheirKind) {
  scheduler.set_range(set, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0}, 2)), IsEmpty());
  at(seconds{15});
  EXPECT_THAT(checkpoint(member(3)), ElementsAre(member(3)));
  EXPECT_THAT(again(one_cpu(member(3))), IsEmpty());
  // 4 was due at 20 s and does not come: at 31 s nobody counts on it any more.
  at(seconds{29});
  auto decision = scheduler.decide();
  EXPECT_THAT(decision.starts, IsEmpty());
  ASSERT_TRUE(decision.wake);
  EXPECT_LE(*decision.wake, seconds{30} + Time{1});
}

TEST_F(RangesWhereAllMayPass, WhatDoesNotComeTogetherIsGivenUp) {
  scheduler.set_range(set, 1);
  ASSERT_THAT(start_members(4), SizeIs(4));
  at(seconds{10});
  EXPECT_THAT(checkpoint(member(4)), IsEmpty());
  ASSERT_THAT(start(one_cpu({50, 0}, 2)), IsEmpty());
  at(seconds{15});
  ASSERT_THAT(checkpoint(member(3)), ElementsAre(member(3)));
  ASSERT_THAT(again(one_cpu(member(3))), IsEmpty());
  at(seconds{31});
  EXPECT_THAT(ids_of(scheduler.decide().starts), ElementsAre(member(3)));
}

/// Two sets beside others on two nodes, with all that may happen to them, by seed.
class RangeLife {
 public:
  RangeLife(const Policy& policy, uint32_t seed)
      : policy_{policy}, scheduler_{policy}, random_{seed} {
    for (const auto* name : {"a", "b"}) {
      NodeSpec node;
      node.name = name;
      node.milli_cpus = 6000;
      scheduler_.put_node(node);
    }
    for (const auto& [top, sure] : sure_) scheduler_.set_range(top, sure);
  }

  void step() {
    now_ += seconds{1 + random_() % 60};
    scheduler_.set_time(now_);
    switch (random_() % 10) {
      case 0:
        if (waiting_.size() > 20) break;
        submit({next_++, 0}, 1 + random_() % 4);
        break;
      case 1:
        if (random_() % 8 == 0) change();
        break;
      case 2:
      case 3:
        end(pick());
        break;
      case 4:
        if (waiting_.size() > 20) break;
        submit({100 + random_() % 2, static_cast<uint32_t>(next_++)}, 1);
        break;
      default:
        written_ = pick();
        if (written_) scheduler_.checkpointed(*written_);
    }
    decide();
  }
  /// Nothing comes any more, and what runs ends: all has to run.
  void drain() {
    for (int i = 0; i < 1000 && !(waiting_.empty() && running_.empty()); ++i) {
      now_ += minutes{1};
      scheduler_.set_time(now_);
      end(pick());
      decide();
    }
    EXPECT_TRUE(waiting_.empty()) << to_string(waiting_.begin()->first) << " never ran";
  }
  int given() const { return given_; }

 private:
  std::optional<ExperimentId> pick() {
    if (running_.empty()) return std::nullopt;
    return std::next(running_.begin(), static_cast<long>(random_() % running_.size()))->first;
  }
  void submit(ExperimentId id, uint32_t cpus) {
    auto request = one_cpu(id, cpus);
    if (random_() % 5 == 0) request.priority = 60;
    waiting_[id] = request;
    ASSERT_TRUE(scheduler_.enqueue(request));
  }
  void end(std::optional<ExperimentId> id) {
    if (!id) return;
    scheduler_.release_all(*id);
    running_.erase(*id);
  }
  void change() {
    auto& [top, sure] = *std::next(sure_.begin(), static_cast<long>(random_() % sure_.size()));
    sure = static_cast<uint32_t>(random_() % 4);
    scheduler_.set_range(top, sure);
  }
  void decide() {
    auto decision = scheduler_.decide();
    for (const auto& start : decision.starts) {
      auto request = waiting_.extract(start.id);
      ASSERT_FALSE(request.empty()) << to_string(start.id) << " did not wait";
      running_[start.id] = {request.mapped(), start.jobs[0].node, now_};
    }
    for (const auto& stop : decision.preemptions) {
      ASSERT_TRUE(waiting_.contains(stop.in_favour_of));
      auto run = running_.extract(stop.id);
      ASSERT_FALSE(run.empty());
      bool after_a_slice = policy_.preempt && now_ - run.mapped().since >= policy_.slice;
      if (!after_a_slice) expect_beyond(stop);
      ++given_;
      scheduler_.release_all(stop.id);
      waiting_[stop.id] = run.mapped().request;
      ASSERT_TRUE(scheduler_.enqueue(run.mapped().request));
    }
    std::map<std::string, int64_t> cpus;
    for (const auto& [id, run] : running_) cpus[run.node] += run.request.amount.milli_cpus;
    for (const auto& [node, held] : cpus) EXPECT_LE(held, 6000) << node;
    EXPECT_EQ(scheduler_.waiting(), waiting_.size());
  }
  void expect_beyond(const Preemption& stop) {
    EXPECT_EQ(stop.id, written_) << "it has just written a checkpoint";
    auto sure = sure_.find(stop.id.top);
    ASSERT_TRUE(sure != sure_.end() && sure->second != 0);
    uint32_t older = 0;
    for (const auto& [id, run] : running_) older += id.top == stop.id.top && id < stop.id ? 1 : 0;
    EXPECT_GE(older, sure->second) << to_string(stop.id);
    EXPECT_NE(stop.in_favour_of.top, stop.id.top);
  }

  struct Running {
    Request request;
    std::string node;
    Time since{0};
  };
  Policy policy_;
  Scheduler scheduler_;
  std::mt19937 random_;
  Time now_{0};
  uint64_t next_ = 1000;
  std::map<uint64_t, uint32_t> sure_{{100, 2}, {101, 1}};
  std::map<ExperimentId, Request> waiting_;
  std::map<ExperimentId, Running> running_;
  std::optional<ExperimentId> written_;
  int given_ = 0;
};

class RangesProperty : public testing::TestWithParam<uint32_t> {};

TEST_P(RangesProperty, OnlyWhatIsBeyondGivesWayAndAllRunInTheEnd) {
  int given = 0;
  for (const auto* policy : {"fifo", "backfill", "greedy", "attained"}) {
    SCOPED_TRACE(policy);
    RangeLife life{policy_named(policy).value(), GetParam()};
    for (int i = 0; i < 2000 && !HasFailure(); ++i) life.step();
    given += life.given();
    life.drain();
  }
  EXPECT_GT(given, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RangesProperty, testing::Range(0u, 12u));

}  // namespace
}  // namespace troupe::schedule
