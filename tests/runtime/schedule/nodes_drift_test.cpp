// Nodes where something is far below usual: those who span nodes take others first.
#include "runtime/schedule/nodes.hpp"

#include <gmock/gmock.h>

namespace troupe::schedule {
namespace {

using ::testing::ElementsAre;

class Drift : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c"}) {
      NodeSpec spec;
      spec.name = name;
      spec.milli_cpus = 4000;
      spec.gpus = 2;
      nodes.put(spec);
    }
  }
  std::vector<std::string> place(uint32_t workers, uint32_t gpus = 2) {
    Request request;
    request.amount.milli_cpus = 1000;
    request.amount.gpus = gpus;
    request.workers_min = request.workers_max = workers;
    auto places = nodes.place(request);
    std::vector<std::string> names;
    for (const auto& place : places) {
      names.push_back(place.node);
      nodes.give_back(place, request.amount);
    }
    return names;
  }

  Nodes nodes{GetParam()};
};

TEST_P(Drift, AGangGoesElsewhereAndIsNotShutOut) {
  EXPECT_THAT(place(2), ElementsAre("a", "b"));
  nodes.put_drift({"a"});
  EXPECT_THAT(place(2), ElementsAre("b", "c"));
  EXPECT_THAT(place(3), ElementsAre("b", "c", "a"));
  nodes.put_drift({});
  EXPECT_THAT(place(2), ElementsAre("a", "b"));
}

TEST_P(Drift, WhoRunsAloneDoesNotMind) {
  nodes.put_drift({"a"});
  EXPECT_THAT(place(1), ElementsAre("a"));
}

INSTANTIATE_TEST_SUITE_P(Packings, Drift, ::testing::Bool());

TEST(DriftAndRoom, PackingGoesBeforeIt) {
  Nodes nodes;
  for (uint32_t gpus : {1u, 2u, 2u}) {
    NodeSpec spec;
    spec.name = "n" + std::to_string(nodes.all().size());
    spec.milli_cpus = 4000;
    spec.gpus = gpus;
    nodes.put(spec);
  }
  nodes.put_drift({"n0"});
  Request request;
  request.amount.milli_cpus = 1000;
  request.amount.gpus = 1;
  request.workers_min = request.workers_max = 2;
  auto places = nodes.place(request);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].node, "n0") << "the others stay whole for who needs two";
}

}  // namespace
}  // namespace troupe::schedule
