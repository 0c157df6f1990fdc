// Workers that are told apart: chiefs, workers, parameter servers.
#include "actors/foreseen.hpp"
#include "actors/head/orders.hpp"
#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ExperimentSpec spec_with_servers() {
  auto spec = spec_of("train");
  spec.roles = {{"chief", 1, {}}, {"worker", 1, {}}, {"ps", 2, {{"serve", {}}}}};
  spec.count_workers();
  return spec;
}

class Roles : public ::testing::Test {
 protected:
  void SetUp() override {
    life.place(places_on({"a", "b", "c", "d"}), 7, t0);
    for (uint32_t job = 0; job < 4; ++job)
      life.update(update_of(life.record(), JobStep::running, job), t0);
  }
  Effects ends(uint32_t job, int32_t code) {
    return life.update(exit_of(life.record(), code, job), t0);
  }
  ExperimentLife life{record_of(spec_with_servers())};
};

TEST_F(Roles, AreTheWorkersInTheirOrderWithTheirOwnLines) {
  auto orders = orders_of(life.record(), "t", t0);
  ASSERT_TRUE(orders);
  ASSERT_EQ(orders->size(), 4u);
  EXPECT_EQ(to_string((*orders)[0].key.job), "42.chief.0");
  EXPECT_EQ(to_string((*orders)[3].key.job), "42.ps.3");
  EXPECT_THAT((*orders)[0].roles, ElementsAre("chief", "worker", "ps", "ps"));
  EXPECT_THAT((*orders)[1].phases.back().argv, ElementsAre("/bin/sh", "-c", "train"));
  EXPECT_THAT((*orders)[2].phases.back().argv, ElementsAre("/bin/sh", "-c", "serve"));
}

TEST_F(Roles, ServersEndWhenAllWhomTheyServeHaveEndedWell) {
  EXPECT_THAT(ends(0, 0).stop, IsEmpty());
  EXPECT_THAT(ends(1, 0).stop, ElementsAre(2u, 3u));
  ends(2, 0);
  auto stopped = exit_of(life.record(), 0, 3, 15);
  stopped.stopped = true;
  EXPECT_EQ(life.update(stopped, t0).next, Effects::Next::ended);
  EXPECT_EQ(life.record().state, State::finished);
  EXPECT_EQ(life.record().exit_code, 0);
}

TEST_F(Roles, AServerThatFailsEarlierFailsTheExperiment) {
  EXPECT_THAT(ends(2, 3).stop, ElementsAre(0u, 1u, 3u));
  for (uint32_t job : {0u, 1u, 3u}) ends(job, 0);
  EXPECT_EQ(life.record().state, State::failed);
  EXPECT_EQ(life.record().exit_code, 3);
}

TEST_F(Roles, ServersAreToldToEndByARestartedHeadToo) {
  ends(0, 0);
  ends(1, 0);
  ExperimentLife again{life.record()};
  auto effects = again.update(update_of(again.record(), JobStep::running, 2), t0);
  EXPECT_THAT(effects.stop, ElementsAre(2u));
}

TEST_F(Roles, AreForeseenWithAllTasksOfTensorFlow) {
  auto spec = spec_with_servers();
  spec.resources.gpus = 2;
  spec.workers.processes = 1;
  auto ranks = foreseen_ranks(spec);
  ASSERT_TRUE(ranks) << to_string(ranks.error());
  ASSERT_EQ(ranks->size(), 4u);
  const auto& last = ranks->back();
  EXPECT_EQ(last.job, "ps.3");
  EXPECT_EQ(last.env.at("RANK"), "3");
  EXPECT_EQ(last.env.at("CUDA_VISIBLE_DEVICES"), "0,1");
  EXPECT_THAT(last.env.at("TF_CONFIG"), HasSubstr("\"task\":{\"index\":1,\"type\":\"ps\"}"));
  EXPECT_THAT(last.env.at("TF_CONFIG"), HasSubstr("\"chief\":[\"198.18.0.1:20004\"]"));
}

ExperimentSpec spec_with_needs() {
  auto spec = spec_of("train");
  Resources server;
  server.cpus = 4;
  server.mem = 2ull << 30;
  server.max_processes = 50;
  Resources worker;
  worker.cpus = 2;
  worker.gpus = 2;
  spec.roles = {{"ps", 1, {}, server}, {"worker", 2, {}, worker}};
  spec.count_workers();
  return spec;
}

TEST(RolesWithNeeds, AreAskedOfTheSchedulerAsGroups) {
  auto request = request_of(record_of(spec_with_needs()));
  ASSERT_EQ(request.groups.size(), 2u);
  EXPECT_EQ(request.workers_min, 3u);
  EXPECT_EQ(request.groups[0].role, "ps");
  EXPECT_EQ(request.groups[0].amount, (schedule::Amount{4000, 2ull << 30, 0}));
  EXPECT_EQ(request.amount_at(2), (schedule::Amount{2000, 0, 2}));
  auto alike = spec_with_needs();
  alike.roles[0].resources = alike.roles[1].resources;
  request = request_of(record_of(alike));
  EXPECT_TRUE(request.groups.empty());
  EXPECT_EQ(request.amount, (schedule::Amount{2000, 0, 2}));
}

TEST(RolesWithNeeds, GetOrdersWithTheirOwnAmountsAndRanks) {
  ExperimentLife life{record_of(spec_with_needs())};
  life.place({{"a", {}}, {"b", {0, 1}}, {"c", {2, 3}}}, 7, t0);
  auto orders = orders_of(life.record(), "t", t0);
  ASSERT_TRUE(orders);
  const auto& server = (*orders)[0];
  const auto& last = (*orders)[2];
  EXPECT_EQ(server.milli_cpus, 4000);
  EXPECT_EQ(server.mem, 2ull << 30);
  EXPECT_EQ(server.max_processes, 50u);
  EXPECT_EQ(server.processes, 1u);
  EXPECT_EQ(server.world_size, 5u);
  EXPECT_EQ(last.milli_cpus, 2000);
  EXPECT_EQ(last.mem, 0u);
  EXPECT_EQ(last.processes, 2u) << "one for each GPU";
  EXPECT_EQ(last.first_rank, 3u);
  EXPECT_EQ(last.hosts[0].processes, 1u);
  EXPECT_EQ(last.hosts[1].processes, 2u);
}

TEST(RolesWithNeeds, AreForeseenEachWithItsOwnDevices) {
  auto ranks = foreseen_ranks(spec_with_needs());
  ASSERT_TRUE(ranks) << to_string(ranks.error());
  ASSERT_EQ(ranks->size(), 5u);
  EXPECT_EQ((*ranks)[0].env.at("CUDA_VISIBLE_DEVICES"), "");
  EXPECT_EQ((*ranks)[0].env.at("OMP_NUM_THREADS"), "4");
  const auto& last = ranks->back();
  EXPECT_EQ(last.env.at("CUDA_VISIBLE_DEVICES"), "0,1");
  EXPECT_EQ(last.env.at("OMP_NUM_THREADS"), "1");
  EXPECT_EQ(last.env.at("RANK"), "4");
  EXPECT_EQ(last.env.at("LOCAL_RANK"), "1");
  EXPECT_THAT(last.env.at("TF_CONFIG"), HasSubstr("\"task\":{\"index\":3,\"type\":\"worker\"}"));
}

}  // namespace
}  // namespace troupe::actors
