// What a worker tells of the ranks of a job, in virtual time.
#include "actors/worker/pulses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using By = RankPulse::By;

class Stack final : public process::StackLook {
 public:
  explicit Stack(const std::string& text) : text_{text} {}
  std::string text() const override { return text_; }

 private:
  const std::string& text_;
};

class PulsesOf : public ::testing::Test {
 protected:
  explicit PulsesOf(uint32_t ranks = 2) : pulses{4, ranks, 10s, now} {
    pulses.begin({71, 72}, now);
  }
  void pass(std::chrono::nanoseconds time) { now += time; }
  void metric(double step, const std::string& source = "file") {
    end += 10;
    pulses.points(source, {WirePoint{"loss", {step}, {0.5}, 0, end}}, now);
  }
  void line(int rank) {
    auto text = "2026-01-01T00:00:00Z " + std::to_string(rank) + "o F hello\n";
    log_end += text.size();
    pulses.lines(text, log_end, now);
  }
  std::vector<RankPulse> due() {
    return pulses.due(
        now, {[this](int32_t pid) {
                looks.push_back(pid);
                return process::ProcessLook{"process " + std::to_string(pid), cpu, pid + 100};
              },
              [this](pid_t pid) -> std::optional<process::WaitLook> {
                process::WaitLook look;
                if (pid == waiting) look.now = process::WaitLook::Now::waits;
                return look;
              },
              [this](pid_t pid) {
                stacks.push_back(pid);
                return std::make_unique<Stack>(stack);
              }});
  }
  std::vector<RankPulse> after(std::chrono::nanoseconds time) {
    pass(time);
    return due();
  }

  std::chrono::nanoseconds now{1h};
  std::chrono::milliseconds cpu{3000};
  std::vector<int32_t> looks;
  pid_t waiting = 0;
  std::string stack;  // as far as it is known
  std::vector<pid_t> stacks;
  uint64_t end = 0, log_end = 0;
  Pulses pulses;
};

TEST_F(PulsesOf, ComeOnceASecondWithTheRanksOfTheJob) {
  EXPECT_THAT(after(400ms), IsEmpty());
  auto told = after(600ms);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].rank, 4u);
  EXPECT_EQ(told[1].rank, 5u);
  EXPECT_EQ(told[0].quiet_ms, 1000);
  EXPECT_EQ(told[0].by, By::nothing);
  EXPECT_THAT(after(900ms), IsEmpty());
}

TEST_F(PulsesOf, LinesAreProgressOfTheRankThatWroteThem) {
  pass(5s);
  line(1);
  auto told = after(2s);
  EXPECT_EQ(told[0].quiet_ms, 7000);
  EXPECT_EQ(told[1].quiet_ms, 2000);
  EXPECT_EQ(told[1].by, By::lines);
}

TEST_F(PulsesOf, LinesAreNoneOfARankThatReportsMetrics) {
  metric(1);
  pass(1s);
  line(0);
  EXPECT_EQ(due()[0].by, By::lines) << "one value may be the number of parameters";
  metric(2);
  pass(5s);
  line(0);
  auto told = due();
  EXPECT_EQ(told[0].by, By::metrics);
  EXPECT_EQ(told[0].quiet_ms, 5000);
  EXPECT_TRUE(told[0].has_step);
  EXPECT_EQ(told[0].step.value, 2);
}

TEST_F(PulsesOf, WhatIsReadAnewIsNoProgress) {
  metric(1);
  line(1);
  pass(6s);
  end = log_end = 0;
  metric(1);
  line(1);
  auto told = due();
  EXPECT_EQ(told[0].quiet_ms, 6000);
  EXPECT_EQ(told[1].quiet_ms, 6000);
}

TEST_F(PulsesOf, SteadyIsWhoNeverPausesForThePatience) {
  for (int i = 0; i < 5; ++i) {
    line(1);
    pass(4s);
  }
  EXPECT_EQ(due()[1].steady_ms, 16'000);
  pass(10s);
  line(1);
  EXPECT_EQ(after(1s)[1].steady_ms, 0) << "it begins anew";
}

TEST_F(PulsesOf, ProcessesAreLookedAtWhenTheyAreQuiet) {
  line(1);
  EXPECT_THAT(after(4s)[0].process, IsEmpty());
  EXPECT_THAT(looks, IsEmpty());
  pass(1s);
  due();
  cpu += 250ms;
  auto told = after(1s);
  EXPECT_THAT(looks, ElementsAre(71, 72, 71, 72));
  EXPECT_EQ(told[0].process, "process 71; 250ms of CPU in the last 6s");
}

TEST_F(PulsesOf, ANewLineOfRunBeginsAnew) {
  metric(1);
  pass(1s);
  metric(2);
  pass(5s);
  pulses.begin({81, 82}, now);
  auto told = after(1s);
  EXPECT_EQ(told[0].quiet_ms, 1000);
  EXPECT_EQ(told[0].by, By::nothing);
  EXPECT_FALSE(told[0].has_step);
}

TEST_F(PulsesOf, CollectiveCallsAreProgressWhereNobodyReportsMetrics) {
  pass(5s);
  pulses.calls({{5, 100, 0, 0}, {7, 1, 0, 0}, {4, 3, 0, 0, true}}, now);
  auto told = after(1s);
  EXPECT_EQ(told.at(0).by, By::nothing) << "what is seen from outside says nothing of progress";
  EXPECT_EQ(told.at(1).by, By::calls);
  EXPECT_EQ(told.at(1).quiet_ms, 1000);
  line(1);
  EXPECT_EQ(after(1s).at(1).by, By::calls);
  metric(1), pass(1s), metric(2);
  pulses.calls({{4, 100, 0, 0}}, now);
  pass(3s);
  pulses.calls({{4, 200, 0, 0}}, now);
  told = after(1s);
  EXPECT_EQ(told.at(0).by, By::metrics);
  EXPECT_EQ(told.at(0).quiet_ms, 4000) << "calls of a loop that learns nothing";
}

TEST_F(PulsesOf, SayWhoWaitsAndWhereAQuietProcessStands) {
  waiting = 172;
  EXPECT_THAT(after(4s).at(0).process, IsEmpty());
  EXPECT_THAT(stacks, IsEmpty()) << "it would be stopped for nothing";
  auto told = after(2s);
  EXPECT_THAT(stacks, ElementsAre(171, 172));
  EXPECT_FALSE(told.at(0).waits);
  EXPECT_TRUE(told.at(1).waits);
  EXPECT_THAT(told.at(0).process, Not(HasSubstr("; in ")));
  stack = "recv < main";
  EXPECT_THAT(after(1s).at(0).process, HasSubstr("; in recv < main"));
  EXPECT_EQ(stacks.size(), 2u) << "once a silence";
  line(0);
  after(1s);
  after(6s);
  EXPECT_THAT(stacks, ElementsAre(171, 172, 171));
}

}  // namespace
}  // namespace troupe::actors
