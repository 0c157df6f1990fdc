// Which outputs go by the rules.
#include "actors/head/retention.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Timestamp now{1'800'000'000'000'000};

Timestamp ago(Duration time) {
  return {now.us - std::chrono::duration_cast<std::chrono::microseconds>(time).count()};
}

OutputFacts ended(uint64_t top, Duration before, std::string project = "p") {
  OutputFacts one;
  one.id = {top, 0};
  one.project = std::move(project);
  one.end = ago(before);
  return one;
}

OutputFacts member(uint64_t top, uint32_t number, std::optional<double> score) {
  auto one = ended(top, 1h);
  one.id.member = number;
  one.ranked = true;
  one.score = score;
  return one;
}

std::vector<std::string> going(const RetentionRules& rules, const std::vector<OutputFacts>& all) {
  std::vector<std::string> ids;
  for (const auto& verdict : judge_outputs(rules, all, now)) {
    EXPECT_TRUE(!verdict.goes || !verdict.why.empty());
    if (verdict.goes) ids.push_back(to_string(verdict.id));
  }
  return ids;
}

TEST(Retention, WithoutARuleEverythingStays) {
  EXPECT_THAT(going({}, {ended(1, 24h * 9000), member(2, 1, {})}), IsEmpty());
}

TEST(Retention, AgeAloneTakesWhatIsOlder) {
  RetentionRules rules;
  rules.outputs.age = 48h;
  EXPECT_THAT(going(rules, {ended(1, 49h), ended(2, 47h), member(3, 1, {})}), ElementsAre("1"));
}

TEST(Retention, TheLastOfEachProjectStay) {
  RetentionRules rules;
  rules.outputs.keep_last = 2;
  std::vector<OutputFacts> all{ended(1, 3h), ended(2, 2h, "q"), ended(3, 3h), ended(4, 2h)};
  EXPECT_THAT(going(rules, all), ElementsAre("1"));
  all.push_back(ended(5, 1h));
  EXPECT_THAT(going(rules, all), ElementsAre("1", "3"));
  rules.outputs.age = 3h;  // 1 and 3 are not older
  EXPECT_THAT(going(rules, all), IsEmpty());
  rules.outputs.age = 2h + 30min;
  EXPECT_THAT(going(rules, all), ElementsAre("1", "3"));
}

TEST(Retention, ASetCountsAsOneAmongTheLast) {
  RetentionRules rules;
  rules.outputs.keep_last = 1;
  EXPECT_THAT(going(rules, {ended(1, 3h), member(2, 1, 0.5), member(2, 2, 0.6)}), ElementsAre("1"));
}

TEST(Retention, OfASetTheBestStay) {
  RetentionRules rules;
  rules.outputs.keep_best = 2;
  EXPECT_THAT(going(rules, {member(1, 1, 0.2), member(1, 2, 0.9), member(1, 3, 0.9),
                            member(1, 4, {}), member(2, 1, {}), ended(3, 900h)}),
              ElementsAre("1.1", "1.4", "2.1"));
  rules.outputs.keep_last = 5;
  rules.outputs.age = 1min;  // the best are kept for good
  EXPECT_THAT(going(rules, {member(1, 1, 0.2), member(1, 2, 0.9), member(1, 3, 0.8)}),
              ElementsAre("1.1"));
}

TEST(Retention, WhatIsHeldOrHasNotEndedStays) {
  RetentionRules rules;
  rules.outputs.age = 1min;
  rules.outputs.keep_best = 1;
  auto held = ended(1, 10h);
  held.held = "experiment 9 reads them";
  auto live = member(2, 1, {});
  live.ended = false;
  EXPECT_THAT(going(rules, {held, live}), IsEmpty());
  EXPECT_EQ(judge_outputs(rules, {held}, now).front().why, "experiment 9 reads them");
}

TEST(Retention, AProjectMayHaveRulesOfItsOwn) {
  RetentionRules rules;
  rules.outputs.age = 1h;
  rules.projects["q"].keep_last = 1;
  EXPECT_THAT(going(rules, {ended(1, 2h), ended(2, 2h, "q"), ended(3, 2h, "q")}),
              ElementsAre("1", "2"));
}

TEST(Retention, ACopyGoesWhereNothingIsLost) {
  RetentionRules rules;
  rules.copies = 24h;
  CopyFacts copy;
  copy.used = ago(25h);
  EXPECT_FALSE(judge_copy(rules, {1, 0}, copy, now).goes);
  EXPECT_THAT(judge_copy(rules, {1, 0}, copy, now).why, HasSubstr("only copy"));
  copy.original = true;
  EXPECT_TRUE(judge_copy(rules, {1, 0}, copy, now).goes);
  copy.original = false;
  copy.is_dataset = true;
  EXPECT_TRUE(judge_copy(rules, {1, 0}, copy, now).goes);
  copy.used = ago(23h);
  EXPECT_FALSE(judge_copy(rules, {1, 0}, copy, now).goes);
  copy.outputs_gone = true;
  EXPECT_TRUE(judge_copy(rules, {1, 0}, copy, now).goes);
  copy.held = "experiment 2 reads it";
  EXPECT_FALSE(judge_copy(rules, {1, 0}, copy, now).goes);
}

}  // namespace
}  // namespace troupe::actors
