// From a spec to what nodes are told, and to the environment of each process: the contract of
// docs/reference/environment.md.
#include "actors/head/orders.hpp"

#include "actors/worker/environment.hpp"
#include "actors/worker/run_request.hpp"
#include "runtime/core/json.hpp"
#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A gang member of set 42 on two nodes with two GPUs each.
ExperimentRecord gang_record() {
  auto spec = spec_of("train --lr {{lr}}");
  spec.setup.push_back({{}, {"pip", "install", "{{pack}}"}});
  spec.resources.cpus = 8;
  spec.resources.mem = 4ull << 30;
  spec.resources.gpus = 2;
  spec.workers = {2, 2, 0};
  spec.env = {{"GREETING", "hi $HOME {{pack}}"}};
  spec.seed = 17;
  spec.code_digest = "abc";
  auto record = record_of(spec, {42, 7});
  record.params = {{"lr", 0.25}, {"pack", "a b; rm"}, {"batch-size", 32}};
  ExperimentLife life{record};
  life.place({{"a", {0, 3}}, {"b", {1, 2}}}, (3ull << 32) + 5, t0);
  return life.record();
}

std::map<std::string, std::string> variables(const std::vector<std::string>& list) {
  std::map<std::string, std::string> map;
  for (const auto& entry : list) {
    auto [it, fresh] =
        map.emplace(entry.substr(0, entry.find('=')), entry.substr(entry.find('=') + 1));
    EXPECT_TRUE(fresh) << it->first << " is there twice";
  }
  return map;
}

class Orders : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = orders_of(record, "tj_token", t0);
    ASSERT_TRUE(made) << to_string(made.error());
    orders = std::move(*made);
    ASSERT_EQ(orders.size(), 2u);
    for (auto& order : orders)
      order.hosts = {{"a", "10.0.0.1", 20008, 2}, {"b", "10.0.0.2", 20016, 2}};
  }
  std::map<std::string, std::string> environment(size_t job, uint32_t local_rank,
                                                 const std::string& resume = "") {
    WorkerEnvironment worker{{{"PATH", "/bin"}, {"OMP_NUM_THREADS", "99"}}, "http://h:7070", {}};
    return variables(job_environment(worker, paths, orders[job], 3, local_rank, resume));
  }

  ExperimentRecord record = gang_record();
  WorkerPaths paths{"/w", "/outputs"};
  std::vector<JobOrder> orders;
};

TEST_F(Orders, SayWhoRunsWhatWithWhich) {
  const auto& order = orders[1];
  EXPECT_EQ(to_string(order.key.job), "42.7.worker.1");
  EXPECT_EQ(order.key.epoch, (3ull << 32) + 5);
  EXPECT_EQ(order.attempt, 1u);
  EXPECT_EQ(order.processes, 2u) << "one for each GPU";
  EXPECT_EQ(order.first_rank, 2u);
  EXPECT_EQ(order.world_size, 4u);
  EXPECT_EQ(order.nodes, 2u);
  EXPECT_EQ(order.node_rank, 1u);
  EXPECT_THAT(order.gpus, ElementsAre(1, 2));
  EXPECT_EQ(order.milli_cpus, 8000);
  EXPECT_EQ(order.mem, 4ull << 30);
  EXPECT_EQ(order.code_digest, "abc");
  EXPECT_EQ(order.token, "tj_token");
  EXPECT_EQ(order.created_us, t0.us);
  ASSERT_EQ(order.hosts.size(), 2u);
  EXPECT_EQ(order.hosts[0].node, "a");
  EXPECT_EQ(order.hosts[1].node, "b");
}

TEST_F(Orders, FillPlaceholdersInLinesWordsAndVariables) {
  ASSERT_EQ(orders[0].phases.size(), 2u);
  EXPECT_TRUE(orders[0].phases[0].setup);
  EXPECT_THAT(orders[0].phases[0].argv, ElementsAre("pip", "install", "a b; rm"));
  EXPECT_FALSE(orders[0].phases[1].setup);
  EXPECT_THAT(orders[0].phases[1].argv, ElementsAre("/bin/sh", "-c", "train --lr 0.25"));
  EXPECT_EQ(orders[0].env.at("GREETING"), "hi $HOME a b; rm") << "no shell reads it";
}

TEST_F(Orders, LetJobsImportTheSdkBehindTheirOwnModules) {
  WorkerEnvironment worker{{}, "", "/lib/troupe/python"};
  auto& order = orders[0];
  auto path = [&] {
    return variables(job_environment(worker, paths, order, 3, 0, ""))["PYTHONPATH"];
  };
  EXPECT_EQ(path(), "/lib/troupe/python");
  worker.base["PYTHONPATH"] = "/a:/b";
  EXPECT_EQ(path(), "/a:/b:/lib/troupe/python");
  order.env["PYTHONPATH"] = "mine";
  EXPECT_EQ(path(), "mine:/lib/troupe/python");
  worker.python.clear();
  EXPECT_EQ(path(), "mine");
}

TEST_F(Orders, NameTheProgramOfTheNodeWhereItIsKnown) {
  WorkerEnvironment worker{{}, "", ""};
  auto program = [&] {
    return variables(job_environment(worker, paths, orders[0], 3, 0, ""))["TROUPE_PROGRAM"];
  };
  EXPECT_EQ(program(), "");
  worker.program = "/usr/bin/troupe";
  EXPECT_EQ(program(), "/usr/bin/troupe");
}

TEST_F(Orders, AskTheSchedulerForWhatTheSpecSays) {
  auto request = request_of(record);
  EXPECT_EQ(request.id, (ExperimentId{42, 7}));
  EXPECT_EQ(request.amount, (schedule::Amount{8000, 4ull << 30, 2}));
  EXPECT_EQ(request.workers_min, 2u);
  EXPECT_EQ(request.workers_max, 2u);
  EXPECT_EQ(request.user, "ada");
  EXPECT_EQ(request.project, "demo");
}

TEST_F(Orders, AskForTheNodesAndGpusTheSpecWants) {
  auto spec = *record.spec;
  spec.resources.gpus = 1;
  spec.resources.gpu_share = 250;
  spec.resources.gpu_mem = 40ull << 30;
  spec.resources.gpu_type = "H100";
  spec.resources.node_labels = {{"rack", "a"}};
  spec.preemptible = false;
  auto request = request_of(record_of(spec, {43, 0}));
  EXPECT_EQ(request.amount.gpu_share, 250u);
  EXPECT_EQ(request.gpu_mem, 40ull << 30);
  EXPECT_EQ(request.gpu_type, "H100");
  EXPECT_EQ(request.labels, spec.resources.node_labels);
  EXPECT_FALSE(request.preemptible);
}

TEST_F(Orders, OfWhatIsExclusiveAreLeased) {
  EXPECT_FALSE(orders.front().leased);
  auto spec = *record.spec;
  spec.exclusive = true;
  record.spec = std::make_shared<const ExperimentSpec>(spec);
  EXPECT_TRUE(orders_of(record, "tj_token", t0)->front().leased);
}

TEST(OrderPlaceholders, ThatNothingFillsAreAnError) {
  auto record = record_of(spec_of("train {{nothing}}"));
  ExperimentLife life{record};
  life.place(places_on({"a"}), 1, t0);
  EXPECT_FALSE(orders_of(life.record(), "t", t0));
}

TEST(ParameterVariable, IsUpperCaseWithUnderscores) {
  EXPECT_EQ(parameter_variable("batch-size.x"), "TROUPE_P_BATCH_SIZE_X");
  EXPECT_EQ(parameter_variable("lr2"), "TROUPE_P_LR2");
}

// The environment --------------------------------------------------------------------------------

TEST_F(Orders, GiveEachProcessTheContractsVariables) {
  auto env = environment(1, 1, "/outputs/42.7/checkpoints/3");
  EXPECT_EQ(env["TROUPE_CONTRACT"], "1");
  EXPECT_EQ(env["TROUPE_ID"], "42.7");
  EXPECT_EQ(env["TROUPE_SET"], "42");
  EXPECT_EQ(env["TROUPE_JOB"], "42.7.worker.1");
  EXPECT_EQ(env["TROUPE_PROJECT"], "demo");
  EXPECT_EQ(env["TROUPE_USER"], "ada");
  EXPECT_EQ(env["TROUPE_ATTEMPT"], "1");
  EXPECT_EQ(env["TROUPE_SEED"], "17");
  EXPECT_EQ(env["TROUPE_P_LR"], "0.25");
  EXPECT_EQ(env["TROUPE_P_BATCH_SIZE"], "32");
  auto params = parse_json(env["TROUPE_PARAMS"], {});
  ASSERT_TRUE(params && params->is_map());
  EXPECT_EQ(params->as_map().at("lr"), Value{0.25});
  EXPECT_EQ(params->as_map().at("batch-size"), Value{32});
  EXPECT_EQ(env["TROUPE_OUTPUT"], "/outputs/42.7");
  EXPECT_EQ(env["TROUPE_CHECKPOINTS"], "/outputs/42.7/checkpoints");
  EXPECT_EQ(env["TROUPE_RESUME"], "/outputs/42.7/checkpoints/3");
  EXPECT_EQ(env["TROUPE_SCRATCH"], paths.scratch(3));
  EXPECT_EQ(env["TMPDIR"], env["TROUPE_SCRATCH"]);
  EXPECT_EQ(env["TROUPE_METRICS"], paths.metrics(3));
  EXPECT_EQ(env["TROUPE_STOP_FILE"], paths.stop_file(3));
  EXPECT_EQ(env["TROUPE_GRACE_S"], "10");
  EXPECT_EQ(env["TROUPE_URL"], "http://h:7070");
  EXPECT_EQ(env["TROUPE_TOKEN_FILE"], paths.token(3));
  EXPECT_TRUE(env.contains("TROUPE_DATA"));
  EXPECT_EQ(env["TROUPE_NODES"], "2");
  EXPECT_EQ(env["TROUPE_NODE_RANK"], "1");
  EXPECT_EQ(env["CUDA_VISIBLE_DEVICES"], "1,2");
  EXPECT_EQ(env["OMP_NUM_THREADS"], "4") << "8 cpus for 2 processes";
  EXPECT_EQ(env["PYTHONUNBUFFERED"], "1");
  EXPECT_EQ(env["PATH"], "/bin");
  EXPECT_EQ(env["GREETING"], "hi $HOME a b; rm");
}

TEST_F(Orders, GiveEachProcessItsRankAsTorchrunDoes) {
  for (size_t job = 0; job < 2; ++job)
    for (uint32_t local = 0; local < 2; ++local) {
      auto env = environment(job, local);
      auto rank = std::to_string(job * 2 + local);
      EXPECT_EQ(env["RANK"], rank);
      EXPECT_EQ(env["ROLE_RANK"], rank);
      EXPECT_EQ(env["LOCAL_RANK"], std::to_string(local));
      EXPECT_EQ(env["WORLD_SIZE"], "4");
      EXPECT_EQ(env["ROLE_WORLD_SIZE"], "4");
      EXPECT_EQ(env["LOCAL_WORLD_SIZE"], "2");
      EXPECT_EQ(env["NODE_RANK"], std::to_string(job));
      EXPECT_EQ(env["GROUP_RANK"], std::to_string(job));
      EXPECT_EQ(env["GROUP_WORLD_SIZE"], "2");
      EXPECT_EQ(env["MASTER_ADDR"], "10.0.0.1");
      EXPECT_EQ(env["MASTER_PORT"], "20008");
      EXPECT_EQ(env["TORCHELASTIC_RUN_ID"], "42.7");
      EXPECT_EQ(env["TORCHELASTIC_RESTART_COUNT"], "0");
      EXPECT_EQ(env["TORCHELASTIC_MAX_RESTARTS"], "0");
      EXPECT_FALSE(env.contains("TROUPE_RESUME"));
    }
}

TEST(Environment, OfASingleExperimentHidesDevicesAndNamesNoSet) {
  ExperimentLife life{record_of(spec_of())};
  life.place(places_on({"a"}), 1, t0);
  auto orders = orders_of(life.record(), "t", t0);
  ASSERT_TRUE(orders);
  auto env = variables(job_environment({}, {"/w", "/o", false}, orders->front(), 0, 0, ""));
  EXPECT_EQ(env.at("CUDA_VISIBLE_DEVICES"), "") << "it asked for none";
  EXPECT_EQ(env.at("OMP_NUM_THREADS"), "1");
  EXPECT_FALSE(env.contains("TROUPE_SET"));
  EXPECT_EQ(env.at("WORLD_SIZE"), "1");
}

TEST(Environment, OwnNamesCannotBeOverwrittenByASpec) {
  auto spec = spec_of();
  spec.env = {{"RANK", "7"}, {"TROUPE_OUTPUT", "/etc"}, {"OMP_NUM_THREADS", "3"}};
  ExperimentLife life{record_of(spec)};
  life.place(places_on({"a"}), 1, t0);
  auto orders = orders_of(life.record(), "t", t0);
  ASSERT_TRUE(orders);
  auto env = variables(job_environment({}, {"/w", "/o", false}, orders->front(), 0, 0, ""));
  EXPECT_EQ(env.at("RANK"), "0");
  EXPECT_EQ(env.at("TROUPE_OUTPUT"), "/o/42");
  EXPECT_EQ(env.at("OMP_NUM_THREADS"), "3") << "advice only";
}

TEST(Environment, InheritsAPathEvenWhereThereIsNone) {
  EXPECT_FALSE(inherited_environment().at("PATH").empty());
}

// Names of runs ----------------------------------------------------------------------------------

TEST(RunKey, ComesBackWhole) {
  for (auto id : {ExperimentId{42, 0}, ExperimentId{42, 7}, ExperimentId{UINT32_MAX, UINT32_MAX}})
    for (auto epoch : std::vector<uint64_t>{1, (3ull << 32) + 5, UINT64_MAX}) {
      JobKey key{JobId{id, "worker", 3}, epoch};
      auto parsed = parse_run_key(run_key(key, 12));
      ASSERT_TRUE(parsed) << run_key(key, 12);
      EXPECT_EQ(parsed->first, key);
      EXPECT_EQ(parsed->second, 12u);
    }
}

TEST(RunKey, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/", "42.worker.0", "42.worker.0/", "42.worker.0/1", "42.worker.0/1/",
        "42.worker.0/1/2/3", "42.worker.0/1/2x", "42.worker.0/x/2", "42/1/2", "42.worker.0/-1/2",
        "42.worker.0/99999999999999999999/0", "42.worker.0/1/99999999999"})
    EXPECT_FALSE(parse_run_key(text)) << text;
}

}  // namespace
}  // namespace troupe::actors
