#include "gpu/topology/hwloc_library.hpp"

#include "runtime/core/loaded_library.hpp"

namespace troupe::topology {

namespace {

Result<HwlocLibrary> open_library() {
  LoadedLibrary hwloc{{"libhwloc.so.15"}};
  if (!hwloc.is_open())
    return Error{Errc::not_found, "the machine's topology cannot be read", hwloc.problem(),
                 "install libhwloc15"};
  HwlocLibrary library;
  hwloc.find("hwloc_topology_init", library.init);
  hwloc.find("hwloc_topology_destroy", library.destroy);
  hwloc.find("hwloc_topology_set_xmlbuffer", library.set_xmlbuffer);
  hwloc.find("hwloc_topology_set_io_types_filter", library.set_io_types_filter);
  hwloc.find("hwloc_topology_load", library.load);
  hwloc.find("hwloc_topology_is_thissystem", library.is_thissystem);
  hwloc.find("hwloc_get_obj_by_depth", library.get_obj_by_depth);
  hwloc.find("hwloc_bitmap_next", library.bitmap_next);
  hwloc.find("hwloc_bitmap_iszero", library.bitmap_iszero);
  hwloc.find("hwloc_distances_get_by_name", library.distances_get_by_name);
  hwloc.find("hwloc_distances_release", library.distances_release);
  if (!hwloc.problem().empty())
    return Error{Errc::unavailable, "the machine's topology cannot be read", hwloc.problem(),
                 "install hwloc 2.1 or newer"};
  return library;
}

}  // namespace

Result<const HwlocLibrary*> hwloc_library() {
  static const auto library = open_library();
  if (!library) return library.error();
  return &*library;
}

}  // namespace troupe::topology
