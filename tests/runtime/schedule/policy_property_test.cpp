// Random life under each policy, by seed: nothing is held twice, gangs are whole, the same calls
// give the same decisions, nobody starves, and what was decided step by step leaves nothing that a
// scheduler which sees the whole state afresh would start.
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace troupe::schedule {
namespace {

class Life {
 public:
  Life(const std::string& policy, uint32_t seed)
      : policy_{policy_named(policy).value()}, scheduler_{policy_}, random_{seed} {
    for (uint32_t i = 0; i < 4; ++i) {
      NodeSpec node{fmt::format("n{}", i), 16'000, 0, 4, i % 2 ? "A" : "B", {}, true};
      nodes_.push_back(node);
      scheduler_.put_node(node);
    }
  }

  void step() {
    now_ += Time{static_cast<int64_t>(random_() % 900'000)};
    scheduler_.set_time(now_);
    if (random_() % 5 < 2) submit();
    if (random_() % 2 == 0) end_some();
    for (int round = 0; round < 3; ++round) {
      auto decision = scheduler_.decide();
      log_.insert(log_.end(), decision.starts.begin(), decision.starts.end());
      for (const auto& start : decision.starts) begin(start);
      for (const auto& stop : decision.preemptions) halt(stop);
    }
    check();
  }
  const std::vector<Placement>& log() const { return log_; }
  Time longest_wait() const {
    auto longest = longest_;
    for (const auto& [id, waiting] : waiting_) longest = std::max(longest, now_ - waiting.second);
    return longest;
  }

  /// What a scheduler would start that knows only who runs and who waits.
  size_t fresh_starts() {
    Scheduler fresh{policy_};
    fresh.set_time(now_);
    for (const auto& node : nodes_) fresh.put_node(node);
    for (const auto& [id, run] : running_) fresh.adopt(run.request, run.jobs);
    for (const auto& [id, waiting] : waiting_)
      if (!fresh.enqueue(waiting.first)) return SIZE_MAX;
    return fresh.decide().starts.size();
  }

 private:
  struct Running {
    Request request;
    std::vector<JobPlace> jobs;
    Time since{0};
  };

  void submit() {
    Request request;
    request.id = {++next_, 0};
    request.amount.gpus = static_cast<uint32_t>(random_() % 5);
    request.amount.milli_cpus = static_cast<int64_t>(random_() % 4) * 500;
    if (request.amount.gpus == 1 && random_() % 2) request.amount.gpu_share = 300;
    if (request.amount.gpus != 0 && random_() % 3 == 0) request.gpu_type = "A";
    request.workers_min = request.workers_max = random_() % 4 ? 1 : 2;
    request.user = fmt::to_string(random_() % 3);
    if (random_() % 2) request.limit = std::chrono::hours{1 + random_() % 5};
    ASSERT_TRUE(scheduler_.enqueue(request));
    waiting_[request.id] = {request, now_};
  }
  void end_some() {
    if (running_.empty()) return;
    auto at = std::next(running_.begin(), static_cast<long>(random_() % running_.size()));
    scheduler_.release_all(at->first);
    running_.erase(at);
  }
  void begin(const Placement& start) {
    auto waiting = waiting_.extract(start.id);
    ASSERT_FALSE(waiting.empty()) << "started what did not wait";
    const auto& [request, since] = waiting.mapped();
    ASSERT_EQ(start.jobs.size(), request.workers_min) << "part of a gang";
    for (const auto& job : start.jobs) EXPECT_EQ(job.gpus.size(), request.amount.gpus);
    longest_ = std::max(longest_, now_ - since);
    running_[start.id] = {request, start.jobs, now_};
  }
  void halt(const Preemption& stop) {
    auto run = running_.extract(stop.id);
    ASSERT_FALSE(run.empty()) << "stopped what did not run";
    EXPECT_GE(now_ - run.mapped().since, policy_.slice);
    EXPECT_TRUE(waiting_.contains(stop.in_favour_of));
    scheduler_.release_all(stop.id);
    ASSERT_TRUE(scheduler_.enqueue(run.mapped().request));
    waiting_[stop.id] = {run.mapped().request, now_};
  }
  void check() {
    ASSERT_EQ(scheduler_.waiting(), waiting_.size());
    ASSERT_EQ(scheduler_.holding(), running_.size());
    std::map<std::pair<std::string, uint32_t>, uint32_t> devices;
    std::map<std::string, int64_t> cpus;
    for (const auto& [id, run] : running_)
      for (const auto& job : run.jobs) {
        cpus[job.node] += run.request.amount.milli_cpus;
        EXPECT_TRUE(run.request.gpu_type.empty() ||
                    scheduler_.node(job.node)->spec.gpu_type == "A");
        for (auto gpu : job.gpus) devices[{job.node, gpu}] += run.request.amount.gpu_share;
      }
    for (const auto& [device, held] : devices) {
      EXPECT_LT(device.second, 4u);
      EXPECT_LE(held, whole_gpu) << device.first << " " << device.second;
    }
    for (const auto& [node, held] : cpus) EXPECT_LE(held, 16'000) << node;
  }

  Policy policy_;
  Scheduler scheduler_;
  std::mt19937 random_;
  Time now_{0}, longest_{0};
  uint64_t next_ = 0;
  std::vector<NodeSpec> nodes_;
  std::map<ExperimentId, std::pair<Request, Time>> waiting_;  // and since when
  std::map<ExperimentId, Running> running_;
  std::vector<Placement> log_;
};

class PolicyProperty : public testing::TestWithParam<uint32_t> {};

TEST_P(PolicyProperty, InvariantsHoldAndTheSameCallsGiveTheSame) {
  for (const auto* policy : {"fifo", "backfill", "greedy", "attained"}) {
    SCOPED_TRACE(policy);
    Life one{policy, GetParam()}, two{policy, GetParam()};
    for (int i = 0; i < 600 && !HasFailure(); ++i) one.step(), two.step();
    EXPECT_FALSE(one.log().empty());
    EXPECT_EQ(one.log(), two.log());
  }
}

// The others depend on when each began and who has just been stopped, which is not known afresh.
TEST_P(PolicyProperty, NothingIsLeftThatWouldStart) {
  for (const auto* policy : {"fifo", "greedy"}) {
    SCOPED_TRACE(policy);
    Life life{policy, GetParam()};
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      life.step();
      EXPECT_EQ(life.fresh_starts(), 0u) << "after step " << i;
    }
  }
}

TEST_P(PolicyProperty, NobodyStarvesByService) {
  Life life{"attained", GetParam()};
  for (int i = 0; i < 1000 && !HasFailure(); ++i) life.step();
  EXPECT_LE(life.longest_wait(), Time{std::chrono::hours{36}});
}

INSTANTIATE_TEST_SUITE_P(Seeds, PolicyProperty, testing::Range(1u, 9u));

}  // namespace
}  // namespace troupe::schedule
