// Machines that placement is tried on, made up after real ones.
#pragma once

#include "runtime/topology/model.hpp"

#include <fmt/format.h>

#include <initializer_list>

namespace troupe::topology {

struct Shape {
  uint32_t packages = 1, numas = 1;  // NUMA nodes of each package
  uint32_t cores = 4, threads = 1;   // cores of each NUMA node
  uint32_t gpus = 0;                 // of each NUMA node
  uint32_t gpus_per_switch = 1;
  bool nics = false;  // one below each switch
};

/// CPUs as Linux counts them: first threads of all cores, then the second ones.
inline Model machine(const Shape& shape) {
  Model model;
  auto cores = shape.packages * shape.numas * shape.cores;
  uint32_t core = 0, gpu = 0;
  for (uint32_t numa = 0; numa < shape.packages * shape.numas; ++numa) {
    model.numas.push_back({numa, numa / shape.numas, uint64_t{64} << 30});
    for (uint32_t c = 0; c < shape.cores; ++c, ++core) {
      Core one{numa, {}};
      for (uint32_t t = 0; t < shape.threads; ++t) one.cpus.push_back(core + t * cores);
      model.cores.push_back(one);
    }
    for (uint32_t g = 0; g < shape.gpus; ++g, ++gpu) {
      auto bridge = fmt::format("b{}", gpu / shape.gpus_per_switch);
      Gpu one;
      one.bus = fmt::format("0000:{:02x}:00.0", 0x10 + gpu);
      one.numa = numa;
      one.path = {fmt::format("root{}", numa), bridge};
      model.gpus.push_back(one);
      if (shape.nics && gpu % shape.gpus_per_switch == 0)
        model.nics.push_back({fmt::format("0000:{:02x}:00.0", 0x80 + gpu),
                              fmt::format("mlx5_{}", model.nics.size()), numa, one.path});
    }
  }
  model.sort();
  return model;
}

inline void link(Model& model, uint32_t a, uint32_t b, uint32_t mb_per_s) {
  model.links.push_back({a, b, mb_per_s});
}

/// Two CPUs with 20 cores of two threads, eight V100 in the hybrid cube mesh: each has six links,
/// two of its four neighbours by two of them.
inline Model dgx1() {
  auto model = machine({2, 1, 20, 2, 4, 2, true});
  struct Edge {
    uint32_t a, b, links;
  };
  for (auto [a, b, links] : std::initializer_list<Edge>{{0, 1, 1},
                                                        {0, 2, 1},
                                                        {0, 3, 2},
                                                        {0, 4, 2},
                                                        {1, 2, 2},
                                                        {1, 3, 1},
                                                        {1, 5, 2},
                                                        {2, 3, 2},
                                                        {2, 6, 1},
                                                        {3, 7, 1},
                                                        {4, 5, 1},
                                                        {4, 6, 1},
                                                        {4, 7, 2},
                                                        {5, 6, 2},
                                                        {5, 7, 1},
                                                        {6, 7, 2}})
    link(model, a, b, links * 25'000);
  return model;
}

/// Eight H100 that all reach each other through switches.
inline Model h100() {
  auto model = machine({2, 1, 48, 1, 4, 1, true});
  for (uint32_t a = 0; a < 8; ++a)
    for (uint32_t b = a + 1; b < 8; ++b) link(model, a, b, 450'000);
  return model;
}

/// Eight A100 below four switches, two to a NUMA node, without a word on links.
inline Model a100() {
  return machine({2, 2, 24, 1, 2, 2, true});
}

}  // namespace troupe::topology
