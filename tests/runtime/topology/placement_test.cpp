#include "runtime/topology/placement.hpp"

#include "machines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace troupe::topology {
namespace {

Wanted want(uint32_t cpus, uint32_t gpus = 0, uint32_t ranks = 1) {
  Wanted wanted;
  wanted.cpus = cpus, wanted.gpus = gpus, wanted.ranks = ranks;
  return wanted;
}

JobPlacement placed(const Model& model, const Taken& taken, const Wanted& wanted) {
  auto job = place(model, taken, wanted);
  EXPECT_TRUE(job) << to_string(job.error());
  return job ? *job : JobPlacement{};
}

TEST(Placement, CoresAreNearTheGpus) {
  auto job = placed(a100(), {}, want(8, 2, 2));
  EXPECT_EQ(job.gpus, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(to_text(job.cpus), "0-7");
  EXPECT_EQ(to_text(job.memory), "0");
  EXPECT_TRUE(job.own);
  ASSERT_EQ(job.ranks.size(), 2u);
  EXPECT_EQ(to_text(job.ranks[0].cpus), "0-3");
  EXPECT_EQ(to_text(job.ranks[1].cpus), "4-7");
  EXPECT_EQ(job.ranks[1].gpus, (std::vector<uint32_t>{1}));
}

TEST(Placement, EachRankIsAtHomeWithItsGpu) {
  auto model = h100();
  auto job = placed(model, {}, want(64, 8, 8));
  ASSERT_EQ(job.ranks.size(), 8u);
  for (uint32_t rank = 0; rank < 8; ++rank) {
    EXPECT_EQ(job.ranks[rank].cpus.size(), 8u);
    EXPECT_EQ(job.ranks[rank].memory, (Numbers{rank / 4}));
    ASSERT_TRUE(job.ranks[rank].nic);
    EXPECT_EQ(model.nics[*job.ranks[rank].nic].path, model.gpus[rank].path);  // below its switch
  }
  EXPECT_EQ(to_text(job.cpus), "0-31,48-79");
}

TEST(Placement, SiblingsStayTogether) {
  // Core c has the threads c and c + 40.
  auto job = placed(dgx1(), {}, want(6, 1));
  EXPECT_EQ(to_text(job.cpus), "0-2,40-42");
  // Three threads are two cores: the fourth is nobody's.
  EXPECT_EQ(to_text(placed(dgx1(), {}, want(3)).cpus), "0-1,40-41");
  // One of its threads is taken: the core is no whole one.
  Taken taken;
  taken.cpus = {40};
  EXPECT_EQ(to_text(placed(dgx1(), taken, want(2, 1)).cpus), "1,41");
}

TEST(Placement, AFullHomeSpillsToTheSamePackage) {
  auto model = a100();
  Taken taken;
  for (uint32_t cpu = 0; cpu < 20; ++cpu) taken.cpus.push_back(cpu);
  Wanted wanted = want(8, 2);
  auto job = placed(model, taken, wanted);
  EXPECT_EQ(to_text(job.cpus), "20-27");
  EXPECT_EQ(to_text(job.memory), "0-1");
}

TEST(Placement, WholeNumaNodesComeFirst) {
  auto model = machine({2, 2, 8, 1, 0, 1, false});
  EXPECT_EQ(to_text(placed(model, {}, want(8)).cpus), "0-7");
  EXPECT_EQ(to_text(placed(model, {}, want(16)).memory), "0-1");
  Taken taken;
  taken.cpus = {0};
  EXPECT_EQ(to_text(placed(model, taken, want(8)).memory), "1");
  EXPECT_EQ(to_text(placed(model, taken, want(16)).memory), "2-3");  // of one package
  // What is less than a node goes where the least is left over.
  EXPECT_EQ(to_text(placed(model, taken, want(4)).cpus), "1-4");
  taken.cpus = {0, 1, 2, 8, 9, 10, 11};
  EXPECT_EQ(to_text(placed(model, taken, want(4)).cpus), "12-15");
}

TEST(Placement, JobsWithoutGpusLeaveTheCpusNearThem) {
  auto model = machine({2, 1, 8, 1, 0, 1, false});
  Gpu gpu;
  gpu.bus = "0000:10:00.0", gpu.numa = 0;
  model.gpus.push_back(gpu);
  EXPECT_EQ(to_text(placed(model, {}, want(4)).memory), "1");
  EXPECT_EQ(to_text(placed(model, {}, want(8)).memory), "1");
  EXPECT_EQ(to_text(placed(model, {}, want(4, 1)).memory), "0");
}

TEST(Placement, ManyRanksShareFewCores) {
  auto job = placed(machine({1, 1, 4, 1, 0, 1, false}), {}, want(2, 0, 8));
  for (const auto& rank : job.ranks) EXPECT_EQ(to_text(rank.cpus), "0-1");
  EXPECT_EQ(to_text(job.cpus), "0-1");
}

TEST(Placement, WithoutEnoughCoresItRunsAnywhere) {
  auto model = machine({1, 1, 4, 1, 0, 1, false});
  Taken taken;
  taken.cpus = {0, 1};
  auto job = placed(model, taken, want(3));
  EXPECT_TRUE(job.cpus.empty());
  EXPECT_FALSE(job.own);
  EXPECT_EQ(job.note, "it wants 3 whole cores, and 2 are idle");
  EXPECT_TRUE(placed(model, {}, want(0)).note.empty());
}

TEST(Placement, NumaBindsToAllCpusOfTheNodes) {
  auto model = a100();
  auto wanted = want(1, 1);
  wanted.binding = Binding::numa;
  wanted.chosen_gpus = {5};
  auto job = placed(model, {}, wanted);
  EXPECT_EQ(to_text(job.cpus), "48-71");
  EXPECT_EQ(to_text(job.memory), "2");
  EXPECT_FALSE(job.own);
  wanted = want(4);
  wanted.binding = Binding::numa;
  Taken taken;
  taken.cpus = {0, 1, 25};
  EXPECT_EQ(to_text(placed(model, taken, wanted).memory), "2");
  wanted.cpus = 40;
  EXPECT_EQ(to_text(placed(model, taken, wanted).memory), "2-3");
}

TEST(Placement, OffBindsNothing) {
  auto wanted = want(4, 2, 2);
  wanted.binding = Binding::off;
  auto job = placed(a100(), {}, wanted);
  EXPECT_TRUE(job.cpus.empty());
  EXPECT_EQ(job.gpus.size(), 2u);
}

TEST(Placement, GpusThatAreNotThereAreAnError) {
  Taken taken;
  taken.gpus = {0, 1, 2, 3, 4};
  auto job = place(h100(), taken, want(1, 4));
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, Errc::exhausted);
  EXPECT_NE(job.error().detail.find("8, of which 3 are idle"), std::string::npos);
  auto wanted = want(1, 1);
  wanted.chosen_gpus = {8};
  EXPECT_FALSE(place(h100(), {}, wanted));
}

/// Jobs come and go: no core has two, no core is split, ranks do not overlap where there is room,
/// and all is as it was when they are gone.
TEST(Placement, HoldsWhateverComes) {
  std::mt19937 random{11};
  for (const auto& model : {dgx1(), h100(), a100(), machine({2, 4, 6, 2, 1, 1, true})}) {
    std::map<uint32_t, size_t> core_of;
    for (size_t core = 0; core < model.cores.size(); ++core)
      for (auto cpu : model.cores[core].cpus) core_of[cpu] = core;
    std::vector<JobPlacement> jobs;
    for (int round = 0; round < 400; ++round) {
      if (!jobs.empty() && random() % 2 == 0) {
        jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(random() % jobs.size()));
        continue;
      }
      Taken taken;
      for (const auto& job : jobs) {
        add(taken.cpus, job.cpus);
        taken.gpus.insert(job.gpus.begin(), job.gpus.end());
      }
      auto wanted =
          want(static_cast<uint32_t>(random() % 20 + 1), static_cast<uint32_t>(random() % 3),
               static_cast<uint32_t>(random() % 4 + 1));
      auto job = place(model, taken, wanted);
      if (!job) continue;
      ASSERT_EQ(*job, *place(model, taken, wanted));
      if (!job->own) {
        EXPECT_FALSE(job->note.empty());
        continue;
      }
      EXPECT_GE(job->cpus.size(), wanted.cpus);
      std::map<size_t, size_t> threads;
      for (auto cpu : job->cpus) {
        EXPECT_FALSE(std::binary_search(taken.cpus.begin(), taken.cpus.end(), cpu));
        ++threads[core_of[cpu]];
      }
      for (auto [core, count] : threads) EXPECT_EQ(count, model.cores[core].cpus.size());
      for (auto gpu : job->gpus) EXPECT_FALSE(taken.gpus.contains(gpu));
      for (const auto& rank : job->ranks) EXPECT_FALSE(rank.cpus.empty());
      jobs.push_back(std::move(*job));
    }
  }
}

/// Of jobs that each fill a NUMA node none is split, in whatever order others end.
TEST(Placement, WholeNodesAreNeverSplit) {
  auto model = machine({2, 4, 8, 1, 0, 1, false});
  std::mt19937 random{3};
  std::vector<JobPlacement> jobs;
  for (int round = 0; round < 300; ++round) {
    if (jobs.size() == 8 || (!jobs.empty() && random() % 3 == 0)) {
      jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(random() % jobs.size()));
      continue;
    }
    Taken taken;
    for (const auto& job : jobs) add(taken.cpus, job.cpus);
    auto job = placed(model, taken, want(8));
    EXPECT_EQ(job.memory.size(), 1u);
    jobs.push_back(job);
  }
}

}  // namespace
}  // namespace troupe::topology
