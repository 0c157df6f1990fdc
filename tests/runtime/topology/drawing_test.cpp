#include "runtime/topology/drawing.hpp"

#include "machines.hpp"
#include "runtime/topology/xml.hpp"

#include <gtest/gtest.h>

namespace troupe::topology {
namespace {

TEST(Drawing, ShowsWhoHasWhat) {
  auto model = machine({1, 2, 2, 2, 1, 1, true});
  link(model, 0, 1, 50'000);
  model.gpus[1].name = "H100";
  Picture picture{model,
                  {{"7.worker.0", {0, 4}, {0}}, {"8.worker.0", {1, 5, 2, 6}, {}}},
                  {{1, "it fell off the bus"}}};
  std::sort(picture.owners[1].cpus.begin(), picture.owners[1].cpus.end());
  EXPECT_EQ(drawing_text(picture),
            "package 0\n"
            "  numa 0: cpus 0-1,4-5, 64.0 GiB\n"
            "      cores aa bb\n"
            "      gpu 0  a 0000:10:00.0  (50 GB/s to 1)\n"
            "      nic      mlx5_0 0000:80:00.0\n"
            "  numa 1: cpus 2-3,6-7, 64.0 GiB\n"
            "      cores bb ..\n"
            "      gpu 1  . H100 0000:11:00.0  (50 GB/s to 0)  closed: it fell off the bus\n"
            "      nic      mlx5_1 0000:81:00.0\n"
            "a 7.worker.0: cpus 0,4, gpus 0\n"
            "b 8.worker.0: cpus 1-2,5-6\n");
}

TEST(Drawing, SvgIsWellFormed) {
  auto model = dgx1();
  model.gpus[0].name = "<&\"V100\x01";
  model.gpus[1].numa.reset();
  model.note = "a & b";
  Picture picture{model, {{"7 <x>", {0, 40}, {0, 2}}}, {{3, "x"}}};
  auto root = parse_xml(drawing_svg(picture));
  ASSERT_TRUE(root) << to_string(root.error());
  EXPECT_EQ(root->name, "svg");
  size_t boxes = 0;
  for (const auto& child : root->children) boxes += child.name == "rect" ? 1 : 0;
  // The ground, two NUMA nodes, cores, GPUs, cards and the owner.
  EXPECT_EQ(boxes, 1 + 2 + 40 + 8 + 4 + 1u);
}

TEST(Drawing, AnEmptyMachineHasAPicture) {
  Model model;
  EXPECT_EQ(drawing_text({model, {}, {}}), "");
  EXPECT_TRUE(parse_xml(drawing_svg({model, {}, {}})));
}

}  // namespace
}  // namespace troupe::topology
