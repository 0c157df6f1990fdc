#include "gpu/device.hpp"

#include <fmt/format.h>

namespace troupe::gpu {

FakeGpuDriver FakeGpuDriver::alike(uint32_t count, const std::string& name, uint64_t mem_bytes) {
  std::vector<Device> devices;
  for (uint32_t n = 0; n < count; ++n)
    devices.push_back({n, fmt::format("GPU-fake-{}", n), name, mem_bytes});
  return FakeGpuDriver{std::move(devices)};
}

Result<std::vector<Device>> FakeGpuDriver::devices() {
  if (failure_) return *failure_;
  return devices_;
}

void FakeGpuDriver::lose(uint32_t index) {
  std::erase_if(devices_, [&](const Device& device) { return device.index == index; });
}

}  // namespace troupe::gpu
