// hwloc's functions, looked up in its library at the first use: one binary serves machines with and
// without it. INTERNAL to gpu/topology.
#pragma once

#include "runtime/core/result.hpp"

#include <hwloc.h>
#include <hwloc/distances.h>

namespace troupe::topology {

struct HwlocLibrary {
  decltype(&hwloc_topology_init) init = nullptr;
  decltype(&hwloc_topology_destroy) destroy = nullptr;
  decltype(&hwloc_topology_set_xmlbuffer) set_xmlbuffer = nullptr;
  decltype(&hwloc_topology_set_io_types_filter) set_io_types_filter = nullptr;
  decltype(&hwloc_topology_load) load = nullptr;
  decltype(&hwloc_topology_is_thissystem) is_thissystem = nullptr;
  decltype(&hwloc_get_obj_by_depth) get_obj_by_depth = nullptr;
  decltype(&hwloc_bitmap_next) bitmap_next = nullptr;
  decltype(&hwloc_bitmap_iszero) bitmap_iszero = nullptr;
  decltype(&hwloc_distances_get_by_name) distances_get_by_name = nullptr;
  decltype(&hwloc_distances_release) distances_release = nullptr;
};

/// not_found where this machine does not have it.
Result<const HwlocLibrary*> hwloc_library();

}  // namespace troupe::topology
