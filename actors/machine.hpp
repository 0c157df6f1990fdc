// What this machine has, for a worker that was not told.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::actors {

struct Machine {
  std::string hostname;
  int64_t milli_cpus = 0;  // what this process may use
  uint64_t mem = 0;        // bytes, within a cgroup's limit
  uint32_t gpus = 0;
  std::string gpu_type;
  uint64_t gpu_mem = 0;  // bytes, of the smallest
};

Machine this_machine();

}  // namespace troupe::actors
