#include "hpo/import.hpp"

#include "tests/hpo/hpo_parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::hpo {
namespace {

using testing::HasSubstr;

Value json(const std::string& text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Value{});
}

Parameter find(const std::vector<Parameter>& parameters, const std::string& name) {
  for (const auto& parameter : parameters)
    if (parameter.name == name) return parameter;
  ADD_FAILURE() << "no " << name;
  return {};
}

TEST(Import, Determined) {
  auto space = import_determined(json(R"({
    "global_batch_size": 64,
    "lr": {"type": "log", "base": 10, "minval": -4, "maxval": -1, "count": 4},
    "optimizer": {"name": {"type": "categorical", "vals": ["adam", "sgd"]},
                  "momentum": {"type": "double", "minval": 0, "maxval": 0.9}},
    "layers": {"type": "int", "minval": 1, "maxval": 8},
    "act": {"type": "const", "val": "relu"}})"));
  ASSERT_TRUE(space) << to_string(space.error());
  EXPECT_EQ(space->size(), 6u);
  EXPECT_EQ(find(*space, "global_batch_size"), choices("global_batch_size", {64}));
  auto lr = find(*space, "lr");
  EXPECT_NEAR(lr.range->min.as_number(), 1e-4, 1e-18);
  EXPECT_NEAR(lr.range->max.as_number(), 0.1, 1e-15);
  EXPECT_TRUE(lr.range->log);
  EXPECT_EQ(lr.range->count, 4);
  EXPECT_EQ(find(*space, "optimizer.name"), choices("optimizer.name", {"adam", "sgd"}));
  EXPECT_EQ(find(*space, "optimizer.momentum"), range("optimizer.momentum", 0.0, 0.9));
  EXPECT_EQ(find(*space, "layers"), range("layers", 1, 8));
  EXPECT_EQ(find(*space, "act"), choices("act", {"relu"}));
  auto wrong = import_determined(json(R"({"lr": {"type": "normal", "minval": 0, "maxval": 1}})"));
  EXPECT_THAT(wrong.error().detail, HasSubstr("type normal"));
  EXPECT_FALSE(import_determined(json(R"({"lr": {"type": "int", "minval": 3, "maxval": 1}})")));
  EXPECT_FALSE(import_determined(json(R"([1])")));
}

TEST(Import, Katib) {
  auto space = import_katib(json(R"([
    {"name": "lr", "parameterType": "double",
     "feasibleSpace": {"min": "0.01", "max": "0.05", "distribution": "logUniform"}},
    {"name": "momentum", "parameterType": "double",
     "feasibleSpace": {"min": "0.5", "max": "0.9", "step": "0.1"}},
    {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "5", "step": "1"}},
    {"name": "width", "parameterType": "discrete", "feasibleSpace": {"list": ["16", "32", "64"]}},
    {"name": "opt", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam"]}}])"));
  ASSERT_TRUE(space) << to_string(space.error());
  EXPECT_EQ(find(*space, "lr"), range("lr", 0.01, 0.05, {}, {}, true));
  EXPECT_EQ(find(*space, "momentum"), range("momentum", 0.5, 0.9, 0.1));
  EXPECT_EQ(find(*space, "layers"), range("layers", 2, 5));
  EXPECT_EQ(find(*space, "width"), choices("width", {16, 32, 64}));
  EXPECT_EQ(find(*space, "opt"), choices("opt", {"sgd", "adam"}));
  auto wrong = import_katib(json(R"([{"name": "lr", "parameterType": "double",
    "feasibleSpace": {"min": "0.01", "max": "0.05", "distribution": "logNormal"}}])"));
  EXPECT_THAT(wrong.error().detail, HasSubstr("logNormal"));
  EXPECT_FALSE(import_katib(json(R"([{"name": "n", "parameterType": "int",
    "feasibleSpace": {"min": "0.5", "max": "2"}}])")));
  EXPECT_FALSE(import_katib(json(R"([{"name": "n", "parameterType": "int",
    "feasibleSpace": {"min": "one", "max": "2"}}])")));
}

TEST(Import, ConfigSpaceDocumentsOfThePublishedBenchmarks) {
  if (!hpo_data()) GTEST_SKIP() << "no spaces here: set TROUPE_HPO_DATA to the folder with them";
  auto flat = import_config_space(read_golden("../spaces/yahpo_lcbench.json"));
  ASSERT_TRUE(flat) << to_string(flat.error());
  EXPECT_EQ(flat->parameters.size(), 9u);
  auto conditional = import_config_space(read_golden("../spaces/yahpo_rbv2_xgboost.json"));
  ASSERT_TRUE(conditional) << to_string(conditional.error());
  EXPECT_EQ(std::count_if(conditional->parameters.begin(), conditional->parameters.end(),
                          [](const Parameter& one) { return !one.when.empty(); }),
            8);
}

TEST(Import, ConfigSpace) {
  auto space = import_config_space(json(R"({"hyperparameters": [
    {"name": "a", "type": "uniform_float", "log": true, "lower": 0.001, "upper": 1.0, "default": 0.1},
    {"name": "b", "type": "uniform_int", "log": false, "lower": 1, "upper": 9},
    {"name": "c", "type": "categorical", "choices": ["x", "y"], "probabilities": [0.5, 0.5]},
    {"name": "d", "type": "ordinal", "sequence": [1, 10, 100]},
    {"name": "e", "type": "constant", "value": 3}], "conditions": [], "forbiddens": []})"));
  ASSERT_TRUE(space) << to_string(space.error());
  EXPECT_EQ(space->parameters,
            (std::vector<Parameter>{range("a", 0.001, 1.0, {}, {}, true), range("b", 1, 9),
                                    choices("c", {"x", "y"}), choices("d", {1, 10, 100}),
                                    choices("e", {3})}));
  EXPECT_FALSE(import_config_space(json(R"({"hyperparameters": [
    {"name": "c", "type": "categorical", "choices": ["x", "y"], "probabilities": [0.9, 0.1]}]})")));
  auto depends = import_config_space(json(R"({"hyperparameters": [
    {"name": "a", "type": "categorical", "choices": ["x", "y"]},
    {"name": "b", "type": "uniform_int", "lower": 1, "upper": 9},
    {"name": "c-d", "type": "uniform_int", "lower": 1, "upper": 9}],
    "conditions": [{"child": "b", "parent": "a", "type": "IN", "values": ["x"]},
      {"type": "AND", "conditions": [{"child": "c-d", "parent": "a", "type": "EQ", "value": "x"},
                                     {"child": "c-d", "parent": "b", "type": "GT", "value": 3}]}],
    "forbiddens": [{"type": "AND", "clauses": [{"name": "b", "type": "EQUALS", "value": 5},
                                               {"name": "c-d", "type": "IN", "values": [1, 2]}]}]})"));
  ASSERT_TRUE(depends) << to_string(depends.error());
  EXPECT_EQ(depends->parameters[1].when, "a in [\"x\"]");
  EXPECT_EQ(depends->parameters[2].when, "(a == \"x\") and (b > 3)");
  EXPECT_EQ(depends->rules.constraints,
            std::vector<std::string>{"not ((b == 5) and (`c-d` in [1, 2]))"});
  EXPECT_FALSE(import_config_space(json(R"({"hyperparameters": [
    {"name": "c", "type": "normal_float", "mu": 1}]})")));
  EXPECT_FALSE(import_config_space(json("{}")));
  EXPECT_FALSE(import_config_space(json("3")));
}

TEST(Import, KnowsTheProgramByTheForm) {
  auto determined = import_space(json(R"({"name": "x", "searcher": {"name": "random"},
    "hyperparameters": {"lr": {"type": "log", "minval": -4, "maxval": -1}}})"));
  ASSERT_TRUE(determined) << to_string(determined.error());
  EXPECT_TRUE(find(determined->parameters, "lr").range->log);
  auto katib = import_space(json(R"({"kind": "Experiment", "spec": {"parameters": [
    {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}}]}})"));
  ASSERT_TRUE(katib) << to_string(katib.error());
  EXPECT_EQ(katib->parameters, std::vector<Parameter>{range("n", 1, 4)});
  auto config_space = import_space(json(R"({"hyperparameters": [
    {"name": "b", "type": "uniform_int", "lower": 1, "upper": 9}]})"));
  ASSERT_TRUE(config_space) << to_string(config_space.error());
  EXPECT_EQ(config_space->parameters, std::vector<Parameter>{range("b", 1, 9)});
  for (const auto* other : {"{}", "3", "[1]", R"({"hyperparameters": 3})", R"({"spec": {}})"})
    EXPECT_FALSE(import_space(json(other))) << other;
}

TEST(Import, AProjectFileHasItAsText) {
  ImportedSpace space;
  space.parameters = {range("z", 0.0, 1.0), choices("a", {"1", 1, true, "x\"y"}),
                      range("lr", 1e-4, 0.1, {}, 4, true), range("s", 0, 8, 2)};
  space.parameters[3].when = "a == \"1\"";
  space.rules.constraints = {"z < 0.5"};
  EXPECT_EQ(project_text(space),
            R"({"parameters": {"z": {"range":{"max":1.0,"min":0.0}}, )"
            R"("a": {"choices":["1",1,true,"x\"y"]}, )"
            R"("lr": {"range":{"count":4,"max":0.1,"min":0.0001,"scale":"log"}}, )"
            R"("s": {"range":{"max":8,"min":0,"step":2},"when":"a == \"1\""}}, )"
            R"("sweep": {"constraints": ["z < 0.5"]}})");
}

}  // namespace
}  // namespace troupe::hpo
