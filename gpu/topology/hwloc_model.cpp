#include "gpu/topology/hwloc_model.hpp"

#include "gpu/topology/hwloc_library.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace troupe::topology {

namespace {

using PciAttributes = hwloc_obj_attr_u::hwloc_pcidev_attr_s;

constexpr unsigned class_3d = 0x0302, class_display = 0x0300, class_accelerator = 0x1200;
constexpr unsigned class_ethernet = 0x0200, class_infiniband = 0x0207;
constexpr unsigned vendor_nvidia = 0x10de, vendor_amd = 0x1002;

/// Boards for screens are of the same class as GPUs that compute; a server's own has another maker.
/// Of some machines nobody knows the maker (0): those have no screens.
bool is_gpu(const PciAttributes& device) {
  if (device.class_id == class_3d || device.class_id == class_accelerator) return true;
  return device.class_id == class_display &&
         (device.vendor_id == vendor_nvidia || device.vendor_id == vendor_amd ||
          device.vendor_id == 0);
}

bool is_nic(const PciAttributes& device) {
  return device.class_id == class_ethernet || device.class_id == class_infiniband;
}

std::string bus_of(const PciAttributes& device) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", static_cast<unsigned>(device.domain),
                     static_cast<unsigned>(device.bus), static_cast<unsigned>(device.dev),
                     static_cast<unsigned>(device.func));
}

/// Memory of a GPU or the like that the kernel counts as a NUMA node: it has no processors, and
/// what runs on some has no business there.
bool is_for_processors(const hwloc_obj* numa) {
  return numa->subtype == nullptr || std::string_view{numa->subtype} != "GPUMemory";
}

class Reader {
 public:
  Reader(const HwlocLibrary& library, hwloc_topology_t topology)
      : library_{library}, topology_{topology} {}

  Result<Model> read() {
    auto* root = library_.get_obj_by_depth(topology_, 0, 0);
    if (root == nullptr)
      return Error{Errc::invalid, "this is no topology", "it is empty", "lstopo FILE.xml"};
    walk(root, {0, std::nullopt, {}});
    if (model_.numas.empty() && !model_.cores.empty()) model_.numas.push_back({0, 0, 0});
    if (model_.cores.empty())
      return Error{Errc::invalid, "this is no topology", "it has no processors", "lstopo FILE.xml"};
    read_links();
    model_.sort();
    return std::move(model_);
  }

 private:
  struct Place {
    uint32_t package = 0;
    std::optional<uint32_t> numa;
    std::vector<std::string> path;
  };

  Numbers numbers(hwloc_const_bitmap_t set) const {
    Numbers list;
    if (set == nullptr) return list;
    for (int at = library_.bitmap_next(set, -1); at >= 0; at = library_.bitmap_next(set, at))
      list.push_back(static_cast<uint32_t>(at));
    return list;
  }

  void walk(hwloc_obj_t object, Place place) {
    switch (object->type) {
      case HWLOC_OBJ_PACKAGE:
        place.package = packages_++;
        break;
      case HWLOC_OBJ_CORE:
        return add_core(object, place);
      case HWLOC_OBJ_PU:  // of a machine that knows no cores
        return add_core(object, place);
      case HWLOC_OBJ_BRIDGE:
        place.path.push_back(fmt::format("{}.{}", object->depth, object->logical_index));
        break;
      case HWLOC_OBJ_PCI_DEVICE:
        add_device(object, place);
        break;
      default:
        break;
    }
    // One memory for all below it, as far as there is only one.
    for (auto* memory = object->memory_first_child; memory != nullptr;
         memory = memory->next_sibling)
      add_memory(memory, place);
    for (auto* child = object->first_child; child != nullptr; child = child->next_sibling)
      walk(child, place);
    for (auto* child = object->io_first_child; child != nullptr; child = child->next_sibling)
      walk(child, place);
  }

  void add_memory(hwloc_obj_t memory, Place& place) {
    if (memory->type != HWLOC_OBJ_NUMANODE) {  // a cache of memory's, with memory below it
      for (auto* child = memory->memory_first_child; child != nullptr; child = child->next_sibling)
        add_memory(child, place);
      return;
    }
    if (!is_for_processors(memory) || memory->cpuset == nullptr ||
        library_.bitmap_iszero(memory->cpuset) != 0)
      return;
    // Fast memory beside the usual one has the same processors: the first is the usual one.
    auto key = numbers(memory->cpuset);
    if (!memories_.insert(key).second) return;
    // A package with several of them comes before each: its number is theirs.
    model_.numas.push_back({memory->os_index, place.package, memory->attr->numanode.local_memory});
    place.numa = memory->os_index;
  }

  void add_core(hwloc_obj_t core, const Place& place) {
    auto cpus = numbers(core->cpuset);
    if (cpus.empty()) return;
    model_.cores.push_back({place.numa.value_or(0), std::move(cpus)});
  }

  static std::string name_of(hwloc_obj_t device) {
    std::string best;
    for (auto* child = device->io_first_child; child != nullptr; child = child->next_sibling) {
      if (child->type != HWLOC_OBJ_OS_DEVICE || child->name == nullptr) continue;
      bool fabric = child->attr->osdev.type == HWLOC_OBJ_OSDEV_OPENFABRICS;
      bool network = child->attr->osdev.type == HWLOC_OBJ_OSDEV_NETWORK;
      if (fabric) return child->name;  // what NCCL asks for
      if (network && best.empty()) best = child->name;
    }
    if (best.empty() && device->name != nullptr) best = device->name;
    return best;
  }

  void add_device(hwloc_obj_t object, const Place& place) {
    const auto& pci = object->attr->pcidev;
    PciDevice device{bus_of(pci), name_of(object), place.numa, place.path};
    // Below a package with several NUMA nodes: near to none of them in particular.
    if (is_nic(pci)) model_.nics.push_back(std::move(device));
    if (!is_gpu(pci)) return;
    Gpu gpu;
    static_cast<PciDevice&>(gpu) = std::move(device);
    const char* uuid = nullptr;
    for (unsigned i = 0; i < object->infos_count; ++i)
      if (std::string_view{object->infos[i].name} == "NVIDIAUUID") uuid = object->infos[i].value;
    for (auto* child = object->io_first_child; child != nullptr; child = child->next_sibling)
      for (unsigned i = 0; i < child->infos_count; ++i)
        if (std::string_view{child->infos[i].name} == "NVIDIAUUID") uuid = child->infos[i].value;
    if (uuid != nullptr)
      gpu.uuid = std::string{uuid}.starts_with("GPU-") ? uuid : fmt::format("GPU-{}", uuid);
    if (object->name != nullptr) gpu.name = object->name;
    model_.gpus.push_back(std::move(gpu));
  }

  /// The PCI device that an object of a matrix is, or belongs to.
  static hwloc_obj_t pci_of(hwloc_obj_t object) {
    while (object != nullptr && object->type != HWLOC_OBJ_PCI_DEVICE) object = object->parent;
    return object;
  }

  /// Between two GPUs there is a number of their own, or there are switches that both reach.
  void read_links() {
    unsigned count = 1;
    hwloc_distances_s* found = nullptr;
    if (library_.distances_get_by_name(topology_, "NVLinkBandwidth", &count, &found, 0) != 0 ||
        count == 0 || found == nullptr)
      return;
    auto objects = found->nbobjs;
    auto value = [&](unsigned a, unsigned b) {
      return std::max(found->values[a * objects + b], found->values[b * objects + a]);
    };
    std::vector<std::optional<uint32_t>> gpus(objects);
    std::vector<bool> is_switch(objects, false);
    for (unsigned i = 0; i < objects; ++i) {
      auto* pci = pci_of(found->objs[i]);
      if (pci == nullptr) continue;
      gpus[i] = model_.gpu_at(bus_of(pci->attr->pcidev));
      is_switch[i] = !gpus[i];
    }
    for (unsigned a = 0; a < objects; ++a)
      for (unsigned b = 0; b < objects; ++b) {
        if (!gpus[a] || !gpus[b] || *gpus[a] >= *gpus[b]) continue;
        uint64_t mb = value(a, b);
        for (unsigned s = 0; s < objects; ++s)
          if (is_switch[s]) mb += std::min(value(a, s), value(b, s));
        if (mb > 0)
          model_.links.push_back(
              {*gpus[a], *gpus[b], static_cast<uint32_t>(std::min<uint64_t>(mb, UINT32_MAX))});
      }
    library_.distances_release(topology_, found);
  }

  const HwlocLibrary& library_;
  hwloc_topology_t topology_;
  Model model_;
  std::set<Numbers> memories_;
  uint32_t packages_ = 0;
};

Result<Model> load(const HwlocLibrary& library, std::string_view xml) {
  hwloc_topology_t topology = nullptr;
  if (library.init(&topology) != 0)
    return Error{Errc::io, "the machine's topology cannot be read", "hwloc does not start", ""};
  std::unique_ptr<hwloc_topology, decltype(library.destroy)> owner{topology, library.destroy};
  library.set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
  // Its end, a zero, is part of what hwloc is given.
  std::string text{xml};
  if (!xml.empty() &&
      library.set_xmlbuffer(topology, text.c_str(), static_cast<int>(text.size() + 1)) != 0)
    return Error{Errc::invalid, "this is no topology that hwloc can read", "",
                 "hwloc 2 reads files of hwloc 1.0 to 2.x: lstopo --export-xml-flags v2 FILE.xml"};
  if (library.load(topology) != 0)
    return xml.empty() ? Error{Errc::io, "the machine's topology cannot be read", "hwloc fails", ""}
                       : Error{Errc::invalid, "this is no topology that hwloc can read",
                               "its format may be newer than this machine's hwloc",
                               "hwloc 2 reads files of hwloc 1.0 to 2.x"};
  // What it cannot read it may replace by the machine that it runs on.
  if (!xml.empty() && library.is_thissystem(topology) != 0)
    return Error{Errc::invalid, "this is no topology that hwloc can read",
                 "hwloc gave this machine's own instead", ""};
  return Reader{library, topology}.read();
}

}  // namespace

Result<Model> model_of_this_machine() {
  auto library = hwloc_library();
  if (!library) return library.error();
  return load(**library, {});
}

Result<Model> model_from_hwloc(std::string_view xml) {
  auto library = hwloc_library();
  if (!library) return library.error();
  return load(**library, xml);
}

}  // namespace troupe::topology
