#include "actors/machine.hpp"

#include "actors/worker/core_claim.hpp"
#include "gpu/topology/read_topology.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <sched.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

int64_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
}

/// Of cgroup version 2 or 1, as seen from inside a container; the machine's own root has none.
uint64_t cgroup_memory_limit() {
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file{path};
    uint64_t limit = 0;
    if (file >> limit) return limit;
  }
  return UINT64_MAX;
}

/// Switches have no place in the model: who reaches one reaches all that do.
void add_links(topology::Model& model, const std::vector<gpu::Device>& devices,
               const std::vector<gpu::DeviceLink>& links) {
  constexpr uint32_t mb_per_link = 25'000;
  std::map<uint32_t, uint32_t> to_switch;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> counts;
  for (const auto& link : links) {
    if (link.device >= devices.size()) continue;
    auto from = model.gpu_at(devices[link.device].bus);
    auto to = model.gpu_at(link.remote_bus);
    if (from && to && *from < *to)
      ++counts[{*from, *to}];
    else if (from && !to)
      ++to_switch[*from];
  }
  for (const auto& [a, count] : to_switch)
    for (const auto& [b, other] : to_switch)
      if (a < b) counts[{a, b}] += std::min(count, other);
  for (const auto& [pair, count] : counts)
    model.links.push_back({pair.first, pair.second, count * mb_per_link});
}

}  // namespace

std::string this_host() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

Machine this_machine() {
  Machine machine;
  machine.hostname = this_host();
  machine.milli_cpus = usable_cpus() * 1000;
  auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
  auto page = static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  machine.mem = std::min(pages * page, cgroup_memory_limit());
  auto driver = std::make_shared<gpu::NvmlDriver>();
  auto devices = driver->devices();
  if (devices) {
    machine.gpus = static_cast<uint32_t>(devices->size());
    if (!devices->empty()) machine.gpu_type = devices->front().name;
    if (!devices->empty()) machine.gpu_driver = driver;
    machine.devices = *devices;
    for (const auto& device : *devices)
      machine.gpu_mem =
          machine.gpu_mem == 0 ? device.mem_bytes : std::min(machine.gpu_mem, device.mem_bytes);
  } else if (devices.error().code != Errc::not_found) {
    log::warning("gpu", "{}", to_string(devices.error()));
  }
  auto model = topology::read_this_machine();
  if (model) {
    // PCI knows the devices, their driver knows them by name, and who is linked to whom.
    for (const auto& device : machine.devices)
      if (auto place = model->gpu_at(device.bus)) {
        model->gpus[*place].uuid = device.uuid;
        model->gpus[*place].name = device.name;
      }
    if (machine.gpu_driver && model->links.empty())
      add_links(*model, machine.devices, machine.gpu_driver->links());
    machine.topology = std::make_shared<const topology::Model>(std::move(*model));
  } else {
    log::info("worker", "{}", to_string(model.error()));
  }
  return machine;
}

void use_machine(WorkerContext& context, const Machine& machine, std::optional<Binding> binding,
                 uint32_t first_gpu) {
  context.gpu_type = machine.gpu_type;
  context.gpu_mem = machine.gpu_mem;
  context.binding.model = machine.topology;
  context.binding.binding = binding;
  if (auto claim = claim_cores()) {
    context.cores_claim = std::make_shared<UniqueFd>(std::move(*claim));
    context.binding.cores_are_ours = true;
  } else if (!binding) {
    log::info("worker", "jobs are bound to no cores unasked: another worker here does that");
  }
  if (size_t{first_gpu} + context.gpus > machine.devices.size()) return;
  context.gpu_driver = machine.gpu_driver;
  for (uint32_t gpu = 0; gpu < context.gpus; ++gpu) {
    const auto& device = machine.devices[first_gpu + gpu];
    context.binding.devices[gpu] = {
        gpu, device.uuid, topology::bus_id(device.bus), device.name, {}};
  }
}

}  // namespace troupe::actors
