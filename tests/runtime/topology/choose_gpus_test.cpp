#include "runtime/topology/choose_gpus.hpp"

#include "machines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace troupe::topology {
namespace {

using Gpus = std::vector<uint32_t>;

Gpus all(uint32_t count) {
  Gpus gpus(count);
  std::iota(gpus.begin(), gpus.end(), 0u);
  return gpus;
}

Gpus choose(const Model& model, const Gpus& idle, uint32_t count) {
  return choose_gpus(model.gpu_nearness(), static_cast<uint32_t>(model.gpus.size()), idle, count);
}

TEST(ChooseGpus, WithoutATopologyTheLowestGo) {
  EXPECT_EQ(choose_gpus({}, 8, {1, 3, 5, 7}, 2), (Gpus{1, 3}));
  EXPECT_EQ(choose_gpus({}, 8, {1, 3}, 4), (Gpus{1, 3}));
  EXPECT_EQ(choose_gpus({}, 0, {}, 4), Gpus{});
  EXPECT_EQ(choose_gpus({1, 2, 3}, 8, {1, 3, 5}, 2), (Gpus{1, 3}));  // of another size
}

TEST(ChooseGpus, LinksGoBeforePci) {
  auto model = dgx1();
  // 0-3 has two links; 0-1 one, and the switch in common.
  EXPECT_EQ(choose(model, {0, 1, 3}, 2), (Gpus{0, 3}));
  EXPECT_EQ(choose(model, {0, 1, 2}, 2), (Gpus{1, 2}));
  // Each half of the mesh is a group; 8 links in it, and as many in none other of four.
  EXPECT_EQ(choose(model, all(8), 4), (Gpus{0, 1, 2, 3}));
  EXPECT_EQ(choose(model, {1, 2, 4, 5, 6, 7}, 4), (Gpus{4, 5, 6, 7}));
}

TEST(ChooseGpus, OneDoesNotBreakAWholeGroup) {
  auto model = a100();
  EXPECT_EQ(choose(model, all(8), 1), (Gpus{0}));
  // 1 has lost its neighbour: it goes before any of a pair.
  EXPECT_EQ(choose(model, {1, 2, 3, 4, 5, 6, 7}, 1), (Gpus{1}));
  EXPECT_EQ(choose(model, {0, 1, 2, 3, 4, 5, 7}, 1), (Gpus{7}));
  EXPECT_EQ(choose(model, {1, 2, 3, 4, 5, 6, 7}, 2), (Gpus{2, 3}));
  // Two pairs and two halves: the pairs, whatever lies between them.
  EXPECT_EQ(choose(model, {0, 2, 4, 5, 6, 7}, 4), (Gpus{4, 5, 6, 7}));
}

TEST(ChooseGpus, BehindSwitchesTheNumaNodeDecides) {
  auto model = h100();
  EXPECT_EQ(choose(model, all(8), 4), (Gpus{0, 1, 2, 3}));
  EXPECT_EQ(choose(model, {0, 2, 4, 5, 6, 7}, 4), (Gpus{4, 5, 6, 7}));
  EXPECT_EQ(choose(model, {0, 4, 5, 6, 7}, 1), (Gpus{0}));
}

TEST(ChooseGpus, ManyAreChosenWithoutTryingAllSets) {
  Model model = machine({4, 1, 8, 1, 16, 4, false});
  auto chosen = choose(model, all(64), 16);
  ASSERT_EQ(chosen.size(), 16u);
  for (auto gpu : chosen) EXPECT_EQ(model.gpus[gpu].numa, model.gpus[chosen[0]].numa);
}

/// Jobs come and go by chance: what is chosen is idle, sorted, as many as asked for, and the same
/// each time.
TEST(ChooseGpus, HoldsWhateverComes) {
  std::mt19937 random{7};
  for (const auto& model : {dgx1(), h100(), a100(), machine({2, 1, 4, 1, 8, 2, true})}) {
    auto gpus = static_cast<uint32_t>(model.gpus.size());
    for (int round = 0; round < 200; ++round) {
      Gpus idle;
      for (uint32_t gpu = 0; gpu < gpus; ++gpu)
        if (random() % 2 == 0) idle.push_back(gpu);
      auto count = static_cast<uint32_t>(random() % (gpus + 1));
      auto chosen = choose(model, idle, count);
      EXPECT_EQ(chosen.size(), std::min<size_t>(count, idle.size()));
      EXPECT_TRUE(std::includes(idle.begin(), idle.end(), chosen.begin(), chosen.end()));
      EXPECT_EQ(chosen, choose(model, idle, count));
    }
  }
}

/// Single GPUs fill one switch after the other, so that pairs stay whole as long as they can.
TEST(ChooseGpus, SinglesLeavePairsWhole) {
  auto model = a100();
  auto idle = all(8);
  for (uint32_t taken = 1; taken <= 8; ++taken) {
    auto chosen = choose(model, idle, 1);
    std::erase(idle, chosen[0]);
    uint32_t pairs = 0;
    for (uint32_t pair = 0; pair < 4; ++pair)
      pairs += std::count(idle.begin(), idle.end(), 2 * pair) == 1 &&
                       std::count(idle.begin(), idle.end(), 2 * pair + 1) == 1
                   ? 1
                   : 0;
    EXPECT_EQ(pairs, (8 - taken) / 2) << taken;
  }
}

}  // namespace
}  // namespace troupe::topology
