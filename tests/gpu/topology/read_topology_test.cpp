#include "gpu/topology/read_topology.hpp"

#include "gpu/topology/hwloc_model.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/topology/placement.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sched.h>

namespace troupe::topology {
namespace {

/// Published topologies of real machines; where they are not, these tests are skipped.
std::string data_folder() {
  const char* given = std::getenv("TROUPE_TOPOLOGIES");
  return given == nullptr ? "/work/shared/data/topology" : given;
}

class RealMachine : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(data_folder()))
      GTEST_SKIP() << "no topologies in " << data_folder() << " (TROUPE_TOPOLOGIES=FOLDER)";
  }
  static Result<Model> read(const std::string& file) {
    return read_topology_file(data_folder() + "/" + file);
  }
  static Model good(const std::string& file) {
    auto model = read(file);
    EXPECT_TRUE(model) << to_string(model.error());
    return model ? *model : Model{};
  }
  static std::map<uint32_t, int> gpus_by_numa(const Model& model) {
    std::map<uint32_t, int> counts;
    for (const auto& gpu : model.gpus) ++counts[gpu.numa.value_or(99)];
    return counts;
  }
  static std::map<uint32_t, int> nics_by_numa(const Model& model) {
    std::map<uint32_t, int> counts;
    for (const auto& nic : model.nics) ++counts[nic.numa.value_or(99)];
    return counts;
  }
  static JobPlacement placed(const Model& model, uint32_t cpus, uint32_t gpus, uint32_t ranks,
                             const Taken& taken = {}) {
    Wanted wanted;
    wanted.cpus = cpus, wanted.gpus = gpus, wanted.ranks = ranks;
    auto job = place(model, taken, wanted);
    EXPECT_TRUE(job) << to_string(job.error());
    return job ? *job : JobPlacement{};
  }
};

using Counts = std::map<uint32_t, int>;

TEST_F(RealMachine, Ndv2) {
  auto model = good("ndv2-topo.xml");
  EXPECT_EQ(to_text(model.cpus_of(0)), "0-19");
  EXPECT_EQ(to_text(model.cpus_of(1)), "20-39");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  EXPECT_EQ(nics_by_numa(model), (Counts{{0, 1}}));
  auto job = placed(model, 8, 4, 4);
  EXPECT_EQ(to_text(job.memory), "0");
  EXPECT_EQ(job.ranks[3].nic, 0u);
}

TEST_F(RealMachine, Ndv4GpusByBusIdAreNotInNumaOrder) {
  auto model = good("ndv4-topo.xml");
  EXPECT_EQ(to_text(model.cpus_of(2)), "48-71");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 2}, {1, 2}, {2, 2}, {3, 2}}));
  EXPECT_EQ(nics_by_numa(model), (Counts{{0, 2}, {1, 2}, {2, 2}, {3, 2}}));
  EXPECT_EQ(model.gpus[0].numa, 1u);
  EXPECT_EQ(model.gpus[2].numa, 0u);
  auto job = placed(model, 12, 2, 2);
  EXPECT_EQ(job.gpus, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(to_text(job.cpus), "24-35");
  EXPECT_EQ(to_text(job.memory), "1");
  // Each rank has a card of its own below the same switch.
  ASSERT_TRUE(job.ranks[0].nic && job.ranks[1].nic);
  EXPECT_NE(job.ranks[0].nic, job.ranks[1].nic);
  EXPECT_EQ(model.nics[*job.ranks[0].nic].numa, 1u);
}

TEST_F(RealMachine, Ndv5) {
  auto model = good("ndv5-topo.xml");
  EXPECT_EQ(to_text(model.cpus_of(1)), "48-95");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  EXPECT_EQ(nics_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  auto job = placed(model, 32, 4, 4);
  EXPECT_EQ(to_text(job.cpus), "0-31");
  for (const auto& rank : job.ranks) {
    ASSERT_TRUE(rank.nic);
    EXPECT_EQ(model.nics[*rank.nic].path, model.gpus[rank.gpus[0]].path);
  }
  Taken taken;
  taken.gpus = {0};
  taken.cpus = *parse_numbers("0-7");
  EXPECT_EQ(to_text(placed(model, 32, 4, 4, taken).memory), "1");
}

TEST_F(RealMachine, Ncv4HasACardWithoutPci) {
  auto model = good("ncv4-topo.xml");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 1}, {1, 1}, {2, 1}, {3, 1}}));
  ASSERT_EQ(model.nics.size(), 1u);
  EXPECT_EQ(model.nics[0].name, "eth0");
  EXPECT_TRUE(model.links.empty());  // each of its links names its own GPU
  EXPECT_EQ(to_text(placed(model, 8, 2, 2).memory), "0-1");
}

TEST_F(RealMachine, AGraphIsNoTopology) {
  auto model = read("ncv4-graph.xml");
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().what.find("ncv4-graph.xml"), std::string::npos);
  EXPECT_NE(model.error().hint.find("graph"), std::string::npos);
}

TEST_F(RealMachine, P4dHasSplitRanges) {
  auto model = good("p4d-24xl-topo.xml");
  EXPECT_EQ(to_text(model.cpus_of(0)), "0-23,48-71");
  EXPECT_EQ(to_text(model.cpus_of(1)), "24-47,72-95");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  EXPECT_EQ(nics_by_numa(model), (Counts{{0, 2}, {1, 2}}));
  auto job = placed(model, 4, 2, 2);
  EXPECT_EQ(model.gpus[job.gpus[0]].path, model.gpus[job.gpus[1]].path);
}

TEST_F(RealMachine, G5SaysNothingButBusIds) {
  auto model = good("g5.48xl-topo.xml");
  EXPECT_EQ(model.numas.size(), 2u);
  EXPECT_TRUE(model.gpus.empty());
  EXPECT_NE(model.note.find("9 devices have no class"), std::string::npos) << model.note;
  Wanted wanted;
  wanted.gpus = 1;
  EXPECT_FALSE(place(model, {}, wanted));
}

TEST_F(RealMachine, Mi300HasXgmi) {
  auto model = good("topo_8p_940.xml");
  EXPECT_EQ(to_text(model.cpus_of(0)), "0-55,112-167");
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  EXPECT_EQ(nics_by_numa(model), (Counts{{0, 4}, {1, 4}}));
  EXPECT_EQ(model.links.size(), 28u);
  auto job = placed(model, 16, 4, 4);
  EXPECT_EQ(to_text(job.memory), "0");
  std::set<uint32_t> nics;
  for (const auto& rank : job.ranks) nics.insert(rank.nic.value_or(99));
  EXPECT_EQ(nics.size(), 4u);
}

TEST_F(RealMachine, Dgx2HasTwoBoards) {
  auto model = good("nvidiaDGX2.xml");
  ASSERT_EQ(model.gpus.size(), 16u);
  EXPECT_EQ(model.numas.size(), 2u);
  EXPECT_EQ(model.cpus().size(), 4u);
  EXPECT_EQ(gpus_by_numa(model), (Counts{{0, 8}, {1, 8}}));
  EXPECT_TRUE(model.nics.empty());
  EXPECT_EQ(model.link(0, 7), 150'000u);  // six switches
  EXPECT_EQ(model.link(0, 8), 0u);        // no way between the boards
  auto job = placed(model, 2, 8, 1);
  for (auto gpu : job.gpus) EXPECT_LT(gpu, 8u);
  EXPECT_EQ(to_text(job.memory), "0");
  Taken taken;
  taken.gpus = {0, 1, 2, 3, 4};
  job = placed(model, 2, 4, 1, taken);
  for (auto gpu : job.gpus) EXPECT_GE(gpu, 8u);
  // Three are left on the first board: whoever wants no more goes there.
  EXPECT_EQ(placed(model, 1, 3, 1, taken).gpus, (std::vector<uint32_t>{5, 6, 7}));
}

TEST_F(RealMachine, ANewerFormatIsRefusedAndNotReplacedByThisMachine) {
  auto model = read("nvidiaDGX2-v3.xml");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, Errc::invalid);
}

TEST_F(RealMachine, Power8PairsItsGpus) {
  auto model = good("power8gpudistances.xml");
  ASSERT_EQ(model.gpus.size(), 4u);
  EXPECT_EQ(model.cores.size(), 8u);
  EXPECT_EQ(model.cpus().size(), 16u);
  EXPECT_EQ(model.link(0, 1), 40'000u);
  EXPECT_EQ(model.link(1, 2), 0u);
  Taken taken;
  taken.gpus = {0};
  EXPECT_EQ(placed(model, 2, 2, 1, taken).gpus, (std::vector<uint32_t>{2, 3}));
}

/// A tree of /sys, read as this machine's own would be.
class SysTree : public RealMachine {
 protected:
  Model read_tree(const std::string& name) {
    folder_ = testing::TempDir() + "troupe-sys-" + name;
    std::filesystem::create_directories(folder_);
    auto command = "tar -xjf " + data_folder() + "/" + name + ".tar.bz2 -C " + folder_;
    EXPECT_EQ(std::system(command.c_str()), 0);
    ::setenv("HWLOC_FSROOT", (folder_ + "/" + name).c_str(), 1);
    ::setenv("HWLOC_COMPONENTS", "linux,stop", 1);
    auto model = model_of_this_machine();
    EXPECT_TRUE(model) << to_string(model.error());
    return model ? *model : Model{};
  }
  void TearDown() override {
    for (const char* name :
         {"HWLOC_FSROOT", "HWLOC_COMPONENTS", "HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES"})
      ::unsetenv(name);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::string folder_;
};

TEST_F(SysTree, MemoryOfGpusIsNobodysHome) {
  for (const char* keep : {"0", "1"}) {
    ::setenv("HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES", keep, 1);
    auto model = read_tree("nvidiagpunumanodes");
    EXPECT_EQ(model.numas.size(), 2u) << keep;
    EXPECT_EQ(model.cores.size(), 8u);
    EXPECT_EQ(model.cpus().size(), 32u);
    ASSERT_EQ(model.gpus.size(), 6u);
    EXPECT_EQ(to_text(model.cpus_of(*model.gpus[0].numa)), "0-15");
    EXPECT_EQ(to_text(model.cpus_of(*model.gpus[5].numa)), "88-103");
    EXPECT_EQ(placed(model, 4, 3, 3).memory.size(), 1u);
  }
}

TEST_F(SysTree, DgxSpark) {
  auto model = read_tree("nvidia-dgx-gb10");
  EXPECT_EQ(model.numas.size(), 1u);
  EXPECT_EQ(model.cores.size(), 20u);
  EXPECT_TRUE(model.gpus.empty());
}

std::string own_file() {
  auto text = read_file(TROUPE_TEST_FOLDER "/two_packages.xml", 1u << 20);
  EXPECT_TRUE(text);
  return text ? *text : std::string{};
}

TEST(ReadTopology, HwlocXml) {
  auto model = read_topology_text(own_file());
  ASSERT_TRUE(model) << to_string(model.error());
  ASSERT_EQ(model->gpus.size(), 3u);  // the server's own display is none
  EXPECT_EQ(model->gpus[0].bus, "0000:3b:00.0");
  EXPECT_EQ(model->link(0, 1), 50'000u);
  EXPECT_EQ(model->gpus[2].numa, 1u);
  ASSERT_EQ(model->nics.size(), 1u);
  EXPECT_EQ(model->nics[0].name, "mlx5_0");
  ASSERT_EQ(model->cores.size(), 4u);
  EXPECT_EQ(model->cores[1].cpus, (Numbers{2, 3}));
  EXPECT_EQ(model->numas[1].package, 1u);
  EXPECT_EQ(model->nearness(model->gpus[0], model->gpus[2]), 0u);
}

TEST(ReadTopology, WhatIsCutOffIsRefused) {
  auto text = own_file();
  for (size_t length : {size_t{0}, size_t{20}, text.size() / 2, text.size() - 10})
    EXPECT_FALSE(read_topology_text(text.substr(0, length))) << length;
  EXPECT_FALSE(read_topology_text("<topology version=\"2.0\"></topology>"));
  EXPECT_FALSE(read_topology_text("<topology version=\"3.0\"></topology>"));
  EXPECT_FALSE(read_topology_text("<other/>"));
}

TEST(ReadTopology, AFileThatIsNotThereIsAnError) {
  auto model = read_topology_file("/nonexistent/topology.xml");
  ASSERT_FALSE(model);
  EXPECT_NE(to_string(model.error()).find("/nonexistent/topology.xml"), std::string::npos);
}

TEST(ReadTopology, ThisMachineHasTheCpusThatThisProcessMayUse) {
  auto model = read_this_machine();
  if (!model && model.error().code == Errc::not_found) GTEST_SKIP() << to_string(model.error());
  ASSERT_TRUE(model) << to_string(model.error());
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(model->cpus().size(), static_cast<size_t>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(model->cpus().back(), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  auto fewer = read_this_machine();
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
  ASSERT_TRUE(fewer);
  EXPECT_EQ(fewer->cpus(), (Numbers{model->cpus().back()}));
}

}  // namespace
}  // namespace troupe::topology
