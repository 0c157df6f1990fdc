// `roles` and `launch` of the project file.
#include "runtime/config/project_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Request request() {
  Request made;
  made.default_project = "p";
  return made;
}

std::string error_of(std::string_view text) {
  auto file = parse_project_file(text, "troupe.yaml", request());
  return file ? "no error" : file.error().what + " | " + file.error().hint;
}

TEST(LaunchKeys, RolesSayHowManyWorkersThereAre) {
  auto file = parse_project_file(
      "run: train\nroles: {chief: 1, worker: {count: 2}, ps: {count: 1, run: serve}}\n"
      "workers: {processes: 2}\n",
      "troupe.yaml", request());
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& spec = file->submission.experiment;
  EXPECT_EQ(spec.workers.min, 4u);
  EXPECT_EQ(spec.workers.max, 4u);
  EXPECT_EQ(spec.workers.processes, 2u);
  ASSERT_EQ(spec.roles.size(), 3u);
  EXPECT_EQ(spec.roles[1].name, "worker");
  EXPECT_EQ(spec.roles[1].count, 2u);
  EXPECT_EQ(spec.roles[2].run.at(0).shell, "serve");
  auto again = experiment_spec_from(to_value(spec));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, spec);
}

TEST(LaunchKeys, RolesThatCannotBeAreErrorsAtTheirPlace) {
  EXPECT_THAT(error_of("run: a\nroles: {chief: 1, wroker: 1}"), HasSubstr("\"wroker\" is no role"));
  EXPECT_THAT(error_of("run: a\nroles: {chief: 1, ps: 0}"), HasSubstr("nobody starts the role ps"));
  EXPECT_THAT(error_of("run: a\nroles: {chief: 2}"), HasSubstr("2 chiefs"));
  EXPECT_THAT(error_of("run: a\nroles: {ps: 2}"), HasSubstr("no role trains"));
  EXPECT_THAT(error_of("run: a\nworkers: 5\nroles: {chief: 1, worker: 2}"),
              HasSubstr("the roles are 3 workers, and workers says 5"));
  EXPECT_THAT(error_of("run: a\nroles: {chief: {cuont: 1}}"), HasSubstr("troupe.yaml:2:"));
  EXPECT_THAT(error_of("run: a\nroles: {worker: {count: 1, run: 'x {{lr}}'}}"), HasSubstr("lr"));
}

TEST(LaunchKeys, RolesMayHaveResourcesOfTheirOwn) {
  auto file = parse_project_file(
      "run: train\nresources: {cpus: 3, mem: 1GiB}\nroles:\n  ps: {count: 1, resources: {cpus: "
      "4}}\n"
      "  worker: {count: 2, resources: {gpus: 2, cpus: 2, node_labels: {disk: fast}}}\n"
      "  evaluator: 1\n",
      "troupe.yaml", request());
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& spec = file->submission.experiment;
  EXPECT_EQ(spec.resources_at(0).cpus, 4);
  EXPECT_EQ(spec.resources_at(0).mem, 0u) << "the role's own are all it has";
  EXPECT_EQ(spec.resources_at(2).gpus, 2u);
  EXPECT_EQ(spec.processes_at(2), 2u);
  EXPECT_EQ(spec.resources_at(3).cpus, 3) << "the experiment's";
  auto again = experiment_spec_from(to_value(spec));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, spec);
}

TEST(LaunchKeys, ResourcesOfRolesThatCannotBeAreErrorsAtTheirPlace) {
  EXPECT_THAT(error_of("run: a\nroles: {worker: {resources: {gpuz: 1}}}"),
              HasSubstr("troupe.yaml:2:"));
  EXPECT_THAT(error_of("run: a\nroles: {worker: {resources: {cpus: -1}}}"),
              HasSubstr("cpus is -1"));
  EXPECT_THAT(error_of("run: a\nroles: {worker: {resources: {mem: 1GiB, shm: 2GiB}}}"),
              HasSubstr("shm 2 GiB is above mem 1 GiB"));
  EXPECT_THAT(error_of("run: a\nlaunch: pmi1\nroles: {chief: 1, worker: {resources: {gpus: 4}}}"),
              HasSubstr("1 of MPI's ranks are to run on one worker, 4 on another"));
}

TEST(LaunchKeys, ContractsAreReadInThreeForms) {
  for (const char* text : {"run: a\nlaunch: slurm", "run: a\nlaunch: [slurm]",
                           "run: a\nlaunch: {contracts: [slurm]}"}) {
    auto file = parse_project_file(text, "troupe.yaml", request());
    ASSERT_TRUE(file) << to_string(file.error());
    EXPECT_THAT(file->submission.experiment.launch.contracts, ElementsAre("slurm"));
    auto again = experiment_spec_from(to_value(file->submission.experiment));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, file->submission.experiment);
  }
  EXPECT_THAT(error_of("run: a\nlaunch: [slrm]"), HasSubstr("\"slrm\" is no contract"));
  auto asked = request();
  asked.options = {{"launch", "jax"}, {"launch", "pmi1"}};
  auto file = parse_project_file("run: a\nlaunch: [slurm]", "troupe.yaml", asked);
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_THAT(file->submission.experiment.launch.contracts, ElementsAre("jax", "pmi1"));
}

}  // namespace
}  // namespace troupe::config
