#include "actors/machine.hpp"

#include "gpu/device.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>
#include <fstream>
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

}  // namespace

Machine this_machine() {
  Machine machine;
  char name[256] = {};
  machine.hostname =
      ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
  machine.milli_cpus = usable_cpus() * 1000;
  auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
  auto page = static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  machine.mem = std::min(pages * page, cgroup_memory_limit());
  gpu::NvmlDriver driver;
  auto devices = driver.devices();
  if (devices) {
    machine.gpus = static_cast<uint32_t>(devices->size());
    if (!devices->empty()) machine.gpu_type = devices->front().name;
    for (const auto& device : *devices)
      machine.gpu_mem =
          machine.gpu_mem == 0 ? device.mem_bytes : std::min(machine.gpu_mem, device.mem_bytes);
  } else if (devices.error().code != Errc::not_found) {
    log::warning("gpu", "{}", to_string(devices.error()));
  }
  return machine;
}

}  // namespace troupe::actors
