// Devices that nobody gets, and which of the others go together.
#include "runtime/schedule/nodes.hpp"

#include <gtest/gtest.h>

namespace troupe::schedule {
namespace {

NodeSpec node_with(uint32_t gpus, std::set<uint32_t> closed = {}) {
  NodeSpec spec;
  spec.name = "a";
  spec.milli_cpus = 64'000;
  spec.gpus = gpus;
  spec.gpus_closed = std::move(closed);
  return spec;
}

Request request_for(uint32_t gpus, uint32_t share = whole_gpu) {
  Request request;
  request.amount.milli_cpus = 1000;
  request.amount.gpus = gpus;
  request.amount.gpu_share = share;
  return request;
}

TEST(ClosedGpus, AreGivenToNobody) {
  Nodes nodes;
  nodes.put(node_with(4, {0, 2}));
  EXPECT_EQ(nodes.find("a")->gpus_free, 2u);
  EXPECT_TRUE(nodes.place(request_for(3)).empty());
  auto places = nodes.place(request_for(2));
  ASSERT_EQ(places.size(), 1u);
  EXPECT_EQ(places[0].gpus, (std::vector<uint32_t>{1, 3}));
  EXPECT_TRUE(nodes.place(request_for(1, 500)).empty());
}

TEST(ClosedGpus, OneThatClosesWhileItIsHeldComesBackToNobody) {
  Nodes nodes;
  nodes.put(node_with(2));
  auto first = nodes.place(request_for(1));
  ASSERT_EQ(first.size(), 1u);
  nodes.put(node_with(2, {0}));
  EXPECT_EQ(nodes.find("a")->gpus_free, 1u);
  nodes.give_back(first[0], request_for(1).amount);
  EXPECT_EQ(nodes.find("a")->gpus_free, 1u);
  EXPECT_EQ(nodes.find("a")->used.gpus, 0u);
  nodes.put(node_with(2));
  EXPECT_EQ(nodes.find("a")->gpus_free, 2u);
}

TEST(ClosedGpus, OneThatOpensWhileItIsHeldCountsWhenItIsGivenBack) {
  Nodes nodes;
  nodes.put(node_with(2));
  auto both = nodes.place(request_for(2));
  nodes.put(node_with(2, {1}));
  nodes.put(node_with(2));
  EXPECT_EQ(nodes.find("a")->gpus_free, 0u);
  nodes.give_back(both[0], request_for(2).amount);
  EXPECT_EQ(nodes.find("a")->gpus_free, 2u);
}

TEST(NearGpus, GoTogether) {
  // 0 and 3 are linked, 1 and 2 too.
  auto spec = node_with(4);
  spec.gpu_near = {0, 1, 1, 9, 1, 0, 9, 1, 1, 9, 0, 1, 9, 1, 1, 0};
  Nodes nodes;
  nodes.put(spec);
  auto one = nodes.place(request_for(1));
  EXPECT_EQ(one[0].gpus, (std::vector<uint32_t>{0}));
  auto two = nodes.place(request_for(2));
  EXPECT_EQ(two[0].gpus, (std::vector<uint32_t>{1, 2}));
  nodes.give_back(one[0], request_for(1).amount);
  auto rest = nodes.place(request_for(2));
  EXPECT_EQ(rest[0].gpus, (std::vector<uint32_t>{0, 3}));
}

}  // namespace
}  // namespace troupe::schedule
