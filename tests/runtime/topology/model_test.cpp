#include "runtime/topology/model.hpp"

#include "machines.hpp"
#include "runtime/core/json.hpp"

#include <gtest/gtest.h>

namespace troupe::topology {
namespace {

TEST(Model, GoesThroughJson) {
  auto model = dgx1();
  model.gpus[3].uuid = "GPU-3";
  model.gpus[3].name = "V100";
  model.nics[0].numa.reset();
  model.note = "made up";
  auto text = parse_json(json_text(to_value(model)));
  ASSERT_TRUE(text);
  auto read = model_from(*text);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(*read, model);
  EXPECT_EQ(*model_from(to_value(Model{})), Model{});
}

TEST(Model, OtherJsonIsRefused) {
  for (const char* text :
       {"1", "[]", R"({"numas":1})", R"({"numas":[{"numa":-1,"package":0,"bytes":0}]})",
        R"({"cores":[{"numa":0,"cpus":"x"}]})", R"({"links":[{"a":0,"b":1,"mb_per_s":1}]})",
        R"({"gpus":[{"bus":1}]})", R"({"gpus":[{"bus":"1:0:0.0","path":[1]}]})"})
    EXPECT_FALSE(model_from(*parse_json(text))) << text;
}

TEST(Model, SortKeepsLinksWithTheirGpus) {
  Model model;
  for (const char* bus : {"0000:30:00.0", "0000:10:00.0", "0000:20:00.0"}) {
    Gpu gpu;
    gpu.bus = bus;
    model.gpus.push_back(gpu);
  }
  model.links = {{0, 1, 7}};  // 30 and 10
  model.sort();
  EXPECT_EQ(model.gpu_at("30:00.0"), 2u);
  EXPECT_EQ(model.link(0, 2), 7u);
  EXPECT_EQ(model.link(0, 1), 0u);
}

TEST(Model, NearnessCountsBridgesThenNumaThenPackage) {
  auto model = a100();
  auto near = [&](uint32_t a, uint32_t b) { return model.nearness(model.gpus[a], model.gpus[b]); };
  EXPECT_GT(near(0, 1), near(0, 2));  // one switch; another NUMA node of its package
  EXPECT_GT(near(0, 2), near(0, 4));
  EXPECT_EQ(near(0, 4), 0u);
}

TEST(Model, CpusThatMayNotBeUsedAreGone) {
  auto model = machine({1, 2, 4, 2, 0, 1, false});
  model.keep_cpus({0, 1, 8});
  EXPECT_EQ(model.cpus(), (Numbers{0, 1, 8}));
  EXPECT_EQ(model.cores.size(), 2u);
  EXPECT_EQ(model.numas.size(), 1u);
}

}  // namespace
}  // namespace troupe::topology
