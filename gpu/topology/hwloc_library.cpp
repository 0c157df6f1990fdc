#include "gpu/topology/hwloc_library.hpp"

#include <fmt/format.h>

#include <dlfcn.h>
#include <type_traits>

namespace troupe::topology {

namespace {

constexpr auto file_name = "libhwloc.so.15";

Result<HwlocLibrary> open_library() {
  // Never closed: what it started may still run.
  void* handle = ::dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    return Error{Errc::not_found, "the machine's topology cannot be read",
                 reason != nullptr ? reason : "hwloc could not be loaded", "install libhwloc15"};
  }
  HwlocLibrary library;
  const char* missing = nullptr;
  auto find = [&](const char* symbol, auto& function) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(handle, symbol));
    if (function == nullptr && missing == nullptr) missing = symbol;
  };
  find("hwloc_topology_init", library.init);
  find("hwloc_topology_destroy", library.destroy);
  find("hwloc_topology_set_xmlbuffer", library.set_xmlbuffer);
  find("hwloc_topology_set_io_types_filter", library.set_io_types_filter);
  find("hwloc_topology_load", library.load);
  find("hwloc_topology_is_thissystem", library.is_thissystem);
  find("hwloc_get_obj_by_depth", library.get_obj_by_depth);
  find("hwloc_bitmap_next", library.bitmap_next);
  find("hwloc_bitmap_iszero", library.bitmap_iszero);
  find("hwloc_distances_get_by_name", library.distances_get_by_name);
  find("hwloc_distances_release", library.distances_release);
  if (missing != nullptr)
    return Error{Errc::unavailable, "the machine's topology cannot be read",
                 fmt::format("{} has no {}", file_name, missing), "install hwloc 2.1 or newer"};
  return library;
}

}  // namespace

Result<const HwlocLibrary*> hwloc_library() {
  static const auto library = open_library();
  if (!library) return library.error();
  return &*library;
}

}  // namespace troupe::topology
