// What this machine has, for a worker that was not told.
#pragma once

#include "actors/worker/worker_context.hpp"
#include "gpu/device.hpp"
#include "runtime/topology/model.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

struct Machine {
  std::string hostname;
  int64_t milli_cpus = 0;  // what this process may use
  uint64_t mem = 0;        // bytes, within a cgroup's limit
  uint32_t gpus = 0;
  std::string gpu_type;
  uint64_t gpu_mem = 0;  // bytes, of the smallest
  std::vector<gpu::Device> devices;
  std::shared_ptr<const topology::Model> topology;  // null: it cannot be read
  std::shared_ptr<gpu::GpuDriver> gpu_driver;       // null: there is none
};

Machine this_machine();
/// Its name alone, which costs nothing.
std::string this_host();

/// A worker there that has `context.gpus` of its GPUs, from this one on; `binding`: of jobs that
/// ask for none. Where the machine has fewer, they are a made-up number.
void use_machine(WorkerContext& context, const Machine& machine, std::optional<Binding> binding,
                 uint32_t first_gpu = 0);

}  // namespace troupe::actors
