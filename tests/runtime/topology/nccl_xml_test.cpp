#include "runtime/topology/nccl_xml.hpp"

#include <gtest/gtest.h>

namespace troupe::topology {
namespace {

Result<Model> read(std::string_view text) {
  auto root = parse_xml(text);
  if (!root) return std::move(root).error();
  return model_from_nccl(*root);
}

TEST(NcclXml, CpusDevicesAndLinksAreRead) {
  auto model = read(R"(<system version="1">
    <cpu numaid="1" affinity="00000001,80000000">
      <pci busid="0000:20:00.0" class="0x030200">
        <gpu dev="1"><nvlink target="0000:10:00.0" count="4" tclass="0x030200"/></gpu></pci>
    </cpu>
    <cpu numaid="0" affinity="0000000f">
      <nic><net name="eth0"/></nic>
      <pci busid="0000:01:00.0" class="0x060400">
        <pci busid="0000:10:00.0" class="0x030200">
          <gpu dev="0"><nvlink target="0000:20:00.0" count="4" tclass="0x030200"/>
                       <nvlink target="0000:10:00.0" count="9" tclass="0x030200"/></gpu></pci>
        <pci busid="0000:11:00.0" class="0x020700"><nic><net name="mlx5_0"/></nic></pci>
      </pci>
    </cpu></system>)");
  ASSERT_TRUE(model) << to_string(model.error());
  ASSERT_EQ(model->numas.size(), 2u);
  EXPECT_EQ(model->cpus_of(0), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(model->cpus_of(1), (Numbers{31, 32}));
  ASSERT_EQ(model->gpus.size(), 2u);
  EXPECT_EQ(model->gpus[0].bus, "0000:10:00.0");
  EXPECT_EQ(model->gpus[0].numa, 0u);
  EXPECT_EQ(model->gpus[0].path, (std::vector<std::string>{"0000:01:00.0"}));
  ASSERT_EQ(model->links.size(), 1u);  // one that names its own GPU leads nowhere
  EXPECT_EQ(model->link(1, 0), 100'000u);
  ASSERT_EQ(model->nics.size(), 2u);
  EXPECT_EQ(model->nics[0].name, "eth0");
  EXPECT_EQ(model->nics_near(0), (std::vector<uint32_t>{1}));
}

TEST(NcclXml, GpusBehindSwitchesAreLinked) {
  auto model = read(R"(<system version="1"><cpu numaid="0" affinity="3">
    <pci busid="1:0:0.0" class="0x030200"><gpu dev="0"><nvlink target="fffffff:ffff:ff" count="18"
      tclass="0x068000"/></gpu></pci>
    <pci busid="2:0:0.0" class="0x030200"><gpu dev="1"><nvlink target="fffffff:ffff:ff" count="12"
      tclass="0x068000"/></gpu></pci></cpu></system>)");
  ASSERT_TRUE(model) << to_string(model.error());
  EXPECT_EQ(model->link(0, 1), 300'000u);
}

TEST(NcclXml, OtherDocumentsAreRefused) {
  for (const char* text :
       {"<graphs version='1'/>", "<topology/>", "<system/>", "<system><cpu/></system>",
        "<system><cpu numaid='0-1'/></system>", "<system><cpu numaid='0' affinity='xyz'/></system>",
        "<system><cpu numaid='0' affinity='1,,1'/></system>",
        "<system><cpu numaid='0' affinity='1'/><cpu numaid='1' affinity='1'/></system>",
        "<system><cpu numaid='0'><pci class='0x030200'/></cpu></system>",
        "<system><cpu numaid='0'><pci busid='1:0:0.0' class='0x030200'/>"
        "<pci busid='0001:00:00.0' class='0x030200'/></cpu></system>"})
    EXPECT_FALSE(read(text)) << text;
  auto graph = read("<graphs version='1'/>");
  EXPECT_NE(graph.error().hint.find("graph"), std::string::npos);
}

TEST(NcclXml, WhatAFileCannotSayIsNoted) {
  auto model = read("<system><cpu numaid='0'><pci busid='0000:00:16.0'/></cpu></system>");
  ASSERT_TRUE(model) << to_string(model.error());
  EXPECT_TRUE(model->gpus.empty());
  EXPECT_NE(model->note.find("1 devices have no class"), std::string::npos) << model->note;
}

}  // namespace
}  // namespace troupe::topology
