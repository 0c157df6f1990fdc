// Parameters that depend on each other: what is refused, what a grid has, and over random spaces
// that every strategy keeps to what holds between them.
#include "hpo/sampler.hpp"
#include "hpo/search.hpp"
#include "hpo/searcher.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace troupe::hpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Parameter choices(const std::string& name, ValueList values, const std::string& when = "") {
  return {name, std::move(values), {}, when};
}
Parameter range(const std::string& name, Value min, Value max, const std::string& when = "") {
  return {name, {}, ParameterRange{std::move(min), std::move(max), {}, {}, false}, when};
}

std::string refused(const std::vector<Parameter>& parameters, const RuleTexts& rules = {}) {
  auto space = Space::make(parameters, rules);
  EXPECT_FALSE(space);
  return space ? ""
               : space.error().what + " | " + space.error().detail + " | " + space.error().hint;
}

std::vector<std::string> grid(const std::vector<Parameter>& parameters, SweepSpec sweep = {}) {
  sweep.strategy = "grid";
  auto sampler = make_sampler(parameters, sweep).value();
  std::vector<std::string> points;
  for (uint64_t trial = 1; trial <= *sampler->size(); ++trial)
    points.push_back(identity(sampler->suggest(trial).value()));
  return points;
}

TEST(SpaceRules, AGridHasEachPointOnce) {
  auto points = grid({choices("o", {"sgd", "adam"}), choices("m", {0.5, 0.9}, "o == \"sgd\""),
                      choices("n", {1, 2}, "m == 0.9")});
  EXPECT_THAT(points, ElementsAre(R"({"m":0.5,"o":"sgd"})", R"({"m":0.9,"n":1,"o":"sgd"})",
                                  R"({"m":0.9,"n":2,"o":"sgd"})", R"({"o":"adam"})"));
  SweepSpec sweep;
  sweep.constraints = {"a * b <= 4"};
  sweep.forbidden = {{{"a", 1}, {"b", ValueList{1, 2}}}};
  EXPECT_THAT(
      grid({choices("a", {1, 2, 3}), choices("b", {1, 2, 3})}, sweep),
      ElementsAre(R"({"a":1,"b":3})", R"({"a":2,"b":1})", R"({"a":2,"b":2})", R"({"a":3,"b":1})"));
}

TEST(SpaceRules, RefusesWhatCannotBe) {
  EXPECT_THAT(refused({choices("a", {1, 2}, "b == 1"), choices("b", {1, 2}, "c == 1"),
                       choices("c", {1, 2}, "a == 1")}),
              HasSubstr("in a circle: a -> b -> c -> a"));
  EXPECT_THAT(refused({choices("a", {1, 2}, "a == 1")}), HasSubstr("a -> a"));
  EXPECT_THAT(refused({choices("layer", {1}), choices("b", {1}, "layers == 1")}),
              HasSubstr("did you mean"));
  EXPECT_THAT(refused({choices("a", {"x"}), choices("b", {1}, "a > 1")}), HasSubstr("no numbers"));
  EXPECT_THAT(refused({choices("a", {1}), choices("b", {1}, "a == ")}),
              HasSubstr("parameters.b.when"));
  EXPECT_THAT(refused({range("x", 0.0, 1.0), range("y", 0.0, 1.0)}, {{"x + y > 3"}, {}}),
              HasSubstr("10000 points were tried"));
  EXPECT_THAT(refused({choices("a", {1, 2})}, {{"a > 2"}, {}}), HasSubstr("none of its points"));
  EXPECT_THAT(refused({choices("a", {1, 2})}, {{}, {{{"b", 1}}}}), HasSubstr("sweep.forbidden[0]"));
  EXPECT_THAT(refused({range("x", 2.0, 1.0)}), HasSubstr("max"));
}

TEST(SpaceRules, StrategiesThatCannotSayWhichCan) {
  SweepSpec sweep;
  sweep.seed = 1;
  sweep.trials = 5;
  sweep.metric = Metric{false, "loss"};
  sweep.strategy = "cma-es";
  std::vector<Parameter> conditional{range("x", 0.0, 1.0), range("y", 0.0, 1.0, "x > 0.5")};
  auto cma = make_sampler(conditional, sweep);
  ASSERT_FALSE(cma);
  EXPECT_THAT(cma.error().hint, HasSubstr("tpe, gp"));
  SearchSettings many;
  many.trials = 5000;
  EXPECT_EQ(choose_strategy(Space::make(conditional).value(), many).strategy, "tpe");
  sweep.constraints = {"x + y < 1"};
  EXPECT_TRUE(make_sampler({range("x", 0.0, 1.0), range("y", 0.0, 1.0)}, sweep));
  sweep.strategy = "list";
  EXPECT_FALSE(make_sampler({choices("x", {1, 2}), choices("y", {1, 2})}, sweep));
}

TEST(SpaceRules, AnEnqueuedPointBringsWhatItMakesActive) {
  SweepSpec sweep;
  sweep.seed = 1;
  sweep.trials = 5;
  sweep.strategy = "tpe";
  sweep.metric = Metric{false, "loss"};
  sweep.enqueue = {{{"o", "sgd"}}, {{"o", "adam"}}};
  std::vector<Parameter> parameters{choices("o", {"sgd", "adam"}),
                                    range("m", 0.0, 1.0, "o == \"sgd\"")};
  auto searcher = Searcher::make(parameters, sweep, "").value();
  EXPECT_TRUE(searcher.next(1).value().point.contains("m"));
  EXPECT_FALSE(searcher.next(2).value().point.contains("m"));
  sweep.forbidden = {{{"o", "adam"}}};
  EXPECT_THAT(Searcher::make(parameters, sweep, "").error().what, HasSubstr("sweep.enqueue[1]"));
}

/// A space of some parameters, where later ones may depend on earlier ones, and constraints that
/// leave part of it.
struct Made {
  std::vector<Parameter> parameters;
  SweepSpec sweep;
};
Made random_space(uint64_t seed) {
  std::mt19937_64 random{seed};
  Made made;
  std::vector<std::string> numbers;
  const auto count = 2 + random() % 5;
  for (uint64_t i = 0; i < count; ++i) {
    auto name = fmt::format("p{}", i);
    std::string when;
    if (i > 0 && random() % 2 == 0) {
      const auto& parent = made.parameters[random() % i];
      when = parent.range ? fmt::format("{} > 2", parent.name)
                          : fmt::format("{} in [\"a\", \"c\"]", parent.name);
    }
    switch (random() % 3) {
      case 0:
        made.parameters.push_back(choices(name, {"a", "b", "c"}, when));
        break;
      case 1:
        made.parameters.push_back(range(name, 1, 4, when));
        numbers.push_back(name);
        break;
      default:
        made.parameters.push_back(range(name, 1.0, 4.0, when));
        numbers.push_back(name);
    }
  }
  if (numbers.size() >= 2 && random() % 2 == 0)
    made.sweep.constraints = {fmt::format("{} + {} <= 6.5", numbers[0], numbers[1])};
  if (made.parameters[0].choices.size() == 3 && random() % 2 == 0)
    made.sweep.forbidden = {{{"p0", "b"}}};
  made.sweep.seed = seed;
  made.sweep.trials = 40;
  made.sweep.metric = Metric{false, "loss"};
  return made;
}

void expect_good(const Made& made, const Point& point, const std::string& what) {
  RuleTexts texts{made.sweep.constraints, made.sweep.forbidden};
  auto rules = SpaceRules::make(made.parameters, texts).value();
  EXPECT_TRUE(rules.allows(point)) << what << identity(point);
  for (size_t i = 0; i < made.parameters.size(); ++i) {
    const auto& parameter = made.parameters[i];
    EXPECT_EQ(point.contains(parameter.name), rules.is_active(i, point))
        << what << parameter.name << " in " << identity(point);
    if (!point.contains(parameter.name)) continue;
    const auto& value = point.at(parameter.name);
    if (parameter.range) {
      EXPECT_GE(value.as_number(), 1) << what;
      EXPECT_LE(value.as_number(), 4) << what;
    }
  }
}

TEST(SpaceRules, EveryStrategyKeepsThem) {
  for (uint64_t seed = 1; seed <= 25; ++seed)
    for (const auto* strategy :
         {"random", "sobol", "tpe", "tpe-independent", "gp", "nsga2", "auto"}) {
      auto made = random_space(seed);
      made.sweep.strategy = strategy;
      if (std::string_view{strategy} == "gp") made.sweep.trials = 16;
      const auto what = fmt::format("space {}, {}: ", seed, strategy);
      auto size = Space::make(made.parameters, {made.sweep.constraints, made.sweep.forbidden})
                      .value()
                      .size();
      auto first = make_sampler(made.parameters, made.sweep);
      ASSERT_TRUE(first) << what << to_string(first.error());
      auto second = make_sampler(made.parameters, made.sweep);
      std::set<std::string> seen;
      for (uint64_t trial = 1; trial <= *made.sweep.trials; ++trial) {
        auto point = (*first)->suggest(trial);
        if (!point) {
          ASSERT_TRUE(size && seen.size() == *size) << what << to_string(point.error());
          break;
        }
        EXPECT_EQ(*point, (*second)->suggest(trial).value()) << what;
        expect_good(made, *point, what);
        bool fresh = seen.insert(identity(*point)).second;
        EXPECT_TRUE(fresh || !size) << what << identity(*point);
        double loss = 0;
        for (const auto& [name, value] : *point)
          loss += value.is_number() ? value.as_number() : value == Value{"a"} ? 0 : 1;
        for (auto* sampler : {first->get(), second->get()}) {
          sampler->observe({trial, Outcome::running, *point});
          sampler->observe({trial, Outcome::completed, *point, {loss}});
        }
      }
    }
}

TEST(SpaceRules, TpeFindsTheGoodBranch) {
  std::vector<Parameter> parameters{choices("o", {"sgd", "adam", "none"}),
                                    range("m", 0.0, 1.0, "o == \"sgd\""),
                                    range("b", 0.0, 1.0, "o == \"adam\"")};
  SweepSpec sweep;
  sweep.trials = 80;
  sweep.metric = Metric{false, "loss"};
  for (const auto* strategy : {"tpe", "gp"}) {
    sweep.strategy = strategy;
    double worst = 0;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      sweep.seed = seed;
      auto sampler = make_sampler(parameters, sweep).value();
      double best = 10;
      for (uint64_t trial = 1; trial <= 60; ++trial) {
        auto point = sampler->suggest(trial);
        if (!point) break;
        double loss = 2;
        if (point->contains("m")) loss = 1 + point->at("m").as_number();
        if (point->contains("b")) loss = std::abs(point->at("b").as_number() - 0.7);
        best = std::min(best, loss);
        sampler->observe({trial, Outcome::running, *point});
        sampler->observe({trial, Outcome::completed, *point, {loss}});
      }
      worst = std::max(worst, best);
    }
    EXPECT_LT(worst, 0.05) << strategy;
  }
}

}  // namespace
}  // namespace troupe::hpo
