// What people write about the parameters of a search: conditions, constraints, ranges.
#include "hpo/predicate.hpp"
#include "mutator.hpp"
#include "runtime/config/project_file.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace troupe::fuzz {
namespace {

TEST(FuzzSearch, Predicates) {
  Corpus corpus{{"optimizer == \"sgd\" and layers in [2, 3]", "batch * accumulate <= 512",
                 "not (lr > 0.1 or momentum < 0.5) and name not in ['a', \"b\"]",
                 "min(a, b, 2) + max(a, -b) * abs(c) >= log2(`odd name`)",
                 "a % b == 0 or c == null", "true and false == done"},
                {"((((((((", "not not ", "- - -",  "[",   "]",   "in",
                 "not in",   "`",        "\"",     "'",   ",,",  "1e400",
                 "nan",      "min(",     "log2()", "/ 0", "% 0", "9223372036854775807",
                 "and",      "or",       "null"}};
  const hpo::Point points[] = {
      {},
      {{"a", 1}, {"b", 0}, {"c", -2.5}, {"lr", std::numeric_limits<double>::infinity()}},
      {{"a", std::numeric_limits<int64_t>::max()},
       {"b", -1},
       {"batch", 1e308},
       {"accumulate", 1e308},
       {"optimizer", "sgd"},
       {"layers", 2},
       {"name", "a"},
       {"done", true}}};
  for (const auto& whole : corpus.inputs) ASSERT_TRUE(hpo::Predicate::parse(whole)) << whole;
  for_mutations(corpus, 20'000, [&](const std::string& input, Mutator&) {
    auto parsed = hpo::Predicate::parse(input);
    if (!parsed) return expect_good_error(parsed.error());
    auto again = hpo::Predicate::parse(parsed->text());
    ASSERT_TRUE(again) << input;
    EXPECT_EQ(again->names(), parsed->names());
    for (const auto& point : points) EXPECT_EQ(again->holds(point), parsed->holds(point));
  });
}

TEST(FuzzSearch, SpacesOfAProjectFile) {
  Corpus corpus{
      {"project: p\nrun: train {{optimizer}} {{momentum}} {{mlp.layers}} "
       "{{mlp.width}}\nparameters:\n  optimizer: [sgd, adam]\n"
       "  momentum: {range: {min: 0.0, max: 0.99}, when: {optimizer: sgd}}\n"
       "  mlp: {when: {optimizer: [adam, lion]}, group: {layers: [1, 2], width: {value: 64, when: "
       "mlp.layers > 1}}}\nsweep:\n  strategy: random\n  trials: 4\n"
       "  constraints: mlp.width < 100\n  forbidden: [{optimizer: adam, mlp.layers: [1, 2]}]\n",
       "project: p\nrun: x {{lr}}\nparameters:\n  lr: {range: {min: 0.001, max: 0.1, scale: log}}\n"
       "sweep: {strategy: tpe, trials: 20, metric: min.loss, stop_when: loss < 0.1}\n"},
      {"when:", "group:", "min:", "max:", "log: true", "step: 0", "count: -1", "{", "}", "[", "..",
       "1e999", "constraints:", "forbidden:", "\"", "lr: lr", "strategy: cma-es"}};
  for (const auto& whole : corpus.inputs) {
    auto file = config::parse_project_file(whole, "troupe.yaml");
    ASSERT_TRUE(file) << to_string(file.error());
  }
  for_mutations(corpus, 5'000, [](const std::string& input, Mutator&) {
    auto file = config::parse_project_file(input, "troupe.yaml");
    if (!file) expect_good_error(file.error());
  });
}

}  // namespace
}  // namespace troupe::fuzz
