// Parameters that depend on each other, as a project file has them.
#include "runtime/config/project_file.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

constexpr const char* text = R"(project: p
run: train {{optimizer}} {{momentum}} {{beta}} {{mlp.layers}} {{mlp.width}}
parameters:
  optimizer: [sgd, adam]
  momentum: {range: {min: 0.0, max: 0.99}, when: {optimizer: sgd}}
  beta: {choices: [0.9, 0.99], when: 'optimizer == "adam"'}
  mlp: {when: {optimizer: [adam, lion]}, group: {layers: [1, 2], width: {value: 64, when: mlp.layers > 1}}}
sweep:
  strategy: random
  trials: 4
  constraints: mlp.width < 100
  forbidden: [{optimizer: adam, beta: [0.9, 0.95]}]
)";

TEST(Conditions, AreReadAndTravel) {
  auto file = parse_project_file(text, "troupe.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& [spec, sweep, key] = file->submission;
  ASSERT_EQ(spec.parameters.size(), 5u);
  EXPECT_EQ(spec.parameters[1].when, "optimizer == \"sgd\"");
  EXPECT_EQ(spec.parameters[2].when, "optimizer == \"adam\"");
  EXPECT_EQ(spec.parameters[3].name, "mlp.layers");
  EXPECT_EQ(spec.parameters[3].when, "optimizer in [\"adam\", \"lion\"]");
  EXPECT_EQ(spec.parameters[4].when, "(optimizer in [\"adam\", \"lion\"]) and (mlp.layers > 1)");
  EXPECT_EQ(sweep->constraints, std::vector<std::string>{"mlp.width < 100"});
  EXPECT_EQ(sweep->forbidden[0].at("beta"), (Value{ValueList{0.9, 0.95}}));
  EXPECT_EQ(experiment_spec_from(to_value(spec)).value(), spec);
  EXPECT_EQ(sweep_spec_from(to_value(*sweep)).value(), *sweep);
}

TEST(Conditions, AGroupIsOneKindOfThree) {
  auto file = parse_project_file("run: x {{a}}\nparameters: {a: {when: {b: 1}}}\n", "troupe.yaml");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().what.find("needs a range, choices or a group"), std::string::npos)
      << file.error().what;
}

}  // namespace
}  // namespace troupe::config
