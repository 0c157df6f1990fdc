#include "hpo/study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace troupe::hpo {
namespace {

using Metrics = std::map<std::string, double>;
using testing::HasSubstr;

bool holds(std::string_view text, const Metrics& metrics) {
  auto parsed = Expression::parse(text);
  EXPECT_TRUE(parsed) << to_string(parsed.error());
  return parsed && parsed->holds(metrics);
}

TEST(Expression, ComparesAndJoins) {
  Metrics metrics{{"accuracy", 0.99}, {"val/loss", 0.1}, {"nan", std::nan("")}};
  EXPECT_TRUE(holds("accuracy >= 0.99", metrics));
  EXPECT_FALSE(holds("accuracy>0.99", metrics));
  EXPECT_TRUE(holds("accuracy > .5 and val/loss < 2e-1", metrics));
  EXPECT_TRUE(holds("accuracy < 0 or accuracy == 0.99 and val/loss != 3", metrics));
  EXPECT_TRUE(holds("not (accuracy < 0.5 or val/loss > +1)", metrics));
  EXPECT_FALSE(holds("missing != 1", metrics));
  EXPECT_FALSE(holds("nan != 1", metrics));
  EXPECT_FALSE(holds("nan == 1 or nan < 1 or nan >= 1", metrics));
  EXPECT_TRUE(holds("not missing > 1", metrics));
  EXPECT_TRUE(holds("accuracy > -1", metrics));
  EXPECT_EQ(Expression::parse("b > 1 and a < 2 or b < 0").value().names(),
            (std::vector<std::string>{"a", "b"}));
}

TEST(Expression, ProblemsNameTheColumn) {
  auto detail = [](std::string_view text) { return Expression::parse(text).error().detail; };
  EXPECT_THAT(detail("accuracy => 1"), HasSubstr("column 10: expected one of"));
  EXPECT_THAT(detail("accuracy >= high"), HasSubstr("column 13: expected a number"));
  EXPECT_THAT(detail("a > 1 loss"), HasSubstr("column 7"));
  EXPECT_THAT(detail("a > 1 loss"), HasSubstr("\n  a > 1 loss\n        ^"));
  for (auto text : {"", "(", "a", "a >", "a > 1 and", "(a > 1", "a > nan", "a > inf", "1 < a",
                    "a > 1x", "a > 1e999", "and > 1", "a > 1)", "__import__('os')", "a = 1"})
    EXPECT_FALSE(Expression::parse(text)) << text;
  EXPECT_FALSE(Expression::parse(std::string(5000, ' ')));
  EXPECT_FALSE(Expression::parse(std::string(40, '(') + "a>1" + std::string(40, ')')));
  EXPECT_TRUE(Expression::parse(std::string(32, '(') + "a>1" + std::string(32, ')')));
}

TEST(Expression, AnyTextEitherParsesOrSaysWhy) {
  const std::vector<std::string> parts{"a", "loss", "and",  "or", "not",  "(", ")",
                                       "<", ">=",   "==",   "1",  "-2.5", "e", " ",
                                       ".", "-",    "\xff", "/",  "nan"};
  std::mt19937 random{11};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 14; n > 0; --n)
      text += parts[random() % parts.size()] + (random() % 2 ? " " : "");
    auto parsed = Expression::parse(text);
    if (parsed)
      parsed->holds({{"a", 1}});
    else
      EXPECT_THAT(parsed.error().detail, HasSubstr("column"));
  }
}

SweepSpec spec(std::string stop_when = "", std::optional<uint32_t> max_failures = {}) {
  SweepSpec sweep;
  sweep.metric = Metric{true, "acc"};
  sweep.stop_when = std::move(stop_when);
  sweep.max_failures = max_failures;
  return sweep;
}

TEST(Study, BestIsTheFirstValidAndTiesGoToTheLowerMember) {
  auto study = Study::make(spec(), 9).value();
  EXPECT_FALSE(study.report(1, State::finished, {{"acc", std::nan("")}}).new_best);
  EXPECT_FALSE(study.report(2, State::finished, {{"loss", 1}}).new_best);
  EXPECT_FALSE(study.state().best_member);
  EXPECT_TRUE(study.report(5, State::running, {{"acc", 0.5}}).new_best);
  EXPECT_FALSE(study.report(6, State::running, {{"acc", 0.5}}).new_best);
  EXPECT_TRUE(study.report(3, State::running, {{"acc", 0.5}}).new_best);
  EXPECT_EQ(study.state().best_member, 3u);
  auto least = spec();
  least.metric->maximize = false;
  auto minimum = Study::make(least, 2).value();
  minimum.report(1, State::running, {{"acc", 2}});
  EXPECT_TRUE(minimum.report(2, State::running, {{"acc", 1}}).new_best);
}

TEST(Study, StopsOnTheConditionAndSaysWhy) {
  auto sweep = spec("acc >= 0.9");
  sweep.kill_on_stop = false;
  auto study = Study::make(sweep, 5).value();
  EXPECT_FALSE(study.report(1, State::running, {{"acc", 0.8}}).stop);
  auto decision = study.report(2, State::running, {{"acc", 0.95}});
  EXPECT_TRUE(decision.stop);
  EXPECT_FALSE(decision.kill);
  EXPECT_EQ(decision.reason, "member 2 met stop_when: acc >= 0.9");
  EXPECT_TRUE(study.report(1, State::finished, {{"acc", 0.1}}).stop);
  EXPECT_EQ(study.final_state(false), State::finished);
  EXPECT_FALSE(Study::make(spec("acc >"), 5));
}

TEST(Study, FailuresEndItOnlyWhenPassedOrAll) {
  auto study = Study::make(spec("", 1), 4).value();
  EXPECT_FALSE(study.report(1, State::failed, {}).stop);
  auto restored = Study::restore(spec("", 1), study.state()).value();
  auto decision = restored.report(2, State::failed, {});
  EXPECT_TRUE(decision.stop);
  EXPECT_TRUE(decision.kill);
  EXPECT_EQ(restored.final_state(false), State::failed);

  auto all = Study::make(spec(), 2).value();
  all.report(1, State::failed, {});
  EXPECT_EQ(all.final_state(false), State::finished);
  EXPECT_FALSE(all.all_ended());
  all.report(2, State::failed, {});
  EXPECT_TRUE(all.all_ended());
  EXPECT_EQ(all.final_state(false), State::failed);

  auto some = Study::make(spec(), 2).value();
  some.report(1, State::failed, {});
  some.report(2, State::killed, {});
  EXPECT_EQ(some.final_state(false), State::finished);
  EXPECT_EQ(some.final_state(true), State::killed);
  EXPECT_EQ(some.summary(), "1 failed, 1 killed");
}

TEST(Study, SaysWhichMetricsNobodyReported) {
  SweepSpec sweep;
  sweep.metric = Metric{false, "loss"};
  sweep.stop_when = "los < 0.1 or epoch > 100";
  auto study = Study::make(sweep, 3).value();
  study.report(1, State::finished, {{"epoch", 3}});
  EXPECT_EQ(study.summary(),
            "1 finished, 2 not ended; none of them reported a number for loss; none of them "
            "reported los, which stop_when asks for");
  study.report(2, State::finished, {{"epoch", 3}, {"loss", -HUGE_VAL}, {"los", 1}});
  EXPECT_EQ(study.summary(), "2 finished, 1 not ended; none of them reported a number for loss");
  EXPECT_FALSE(study.state().best_member) << "what is infinite is no best";
  study.report(3, State::finished, {{"loss", 0.5}});
  EXPECT_EQ(study.summary(), "3 finished");

  auto restored = Study::restore(sweep, study.state()).value();
  EXPECT_EQ(restored.summary(), "3 finished") << "which names were reported is not kept";
  auto failed = Study::make(sweep, 1).value();
  failed.report(1, State::failed, {});
  EXPECT_EQ(failed.summary(), "1 failed") << "they have other troubles";
}

TEST(Study, FewerMembersThanWereWantedSayWhy) {
  auto some = Study::make({}, 5).value();
  some.report(1, State::finished, {});
  some.no_more(1, "nothing keeps all constraints");
  EXPECT_EQ(some.final_state(false), State::finished);
  EXPECT_EQ(some.summary(),
            "1 finished; there is no point for another: nothing keeps all constraints");
  auto none = Study::make({}, 5).value();
  none.no_more(0, "nothing keeps all constraints");
  EXPECT_EQ(none.final_state(false), State::failed);
  EXPECT_THAT(none.summary(), HasSubstr("no members; there is no point"));
}

}  // namespace
}  // namespace troupe::hpo
