// GPU devices behind a small interface: NVIDIA's management library where there is one, a fake for
// tests. Plain and synchronous; a call may take milliseconds. A driver belongs to one thread.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::gpu {

struct Device {
  uint32_t index = 0;      // as CUDA_VISIBLE_DEVICES counts with CUDA_DEVICE_ORDER=PCI_BUS_ID
  std::string uuid;        // "GPU-...": stays with the board over restarts
  std::string name;        // "NVIDIA H100 80GB HBM3"
  uint64_t mem_bytes = 0;  // in all
  bool operator==(const Device&) const = default;
};

class GpuDriver {
 public:
  virtual ~GpuDriver() = default;
  /// All devices, by index. A machine without the driver gives not_found: it has no GPUs to lend,
  /// which is no fault; every other error is one.
  virtual Result<std::vector<Device>> devices() = 0;
};

/// libnvidia-ml.so.1, loaded at the first call, so that one binary serves machines with and without
/// it.
class NvmlDriver final : public GpuDriver {
 public:
  explicit NvmlDriver(std::string library = "libnvidia-ml.so.1");
  ~NvmlDriver() override;
  NvmlDriver(const NvmlDriver&) = delete;
  NvmlDriver& operator=(const NvmlDriver&) = delete;

  Result<std::vector<Device>> devices() override;

 private:
  struct Library;
  Result<void> load();

  std::string path_;
  std::unique_ptr<Library> library_;
};

/// Devices as told, failures as told.
class FakeGpuDriver final : public GpuDriver {
 public:
  explicit FakeGpuDriver(std::vector<Device> devices = {}) : devices_{std::move(devices)} {}
  /// `count` alike, as a machine from one order has them.
  static FakeGpuDriver alike(uint32_t count, const std::string& name, uint64_t mem_bytes);

  Result<std::vector<Device>> devices() override;
  /// Every call fails with this until it is taken back with nothing.
  void fail_with(std::optional<Error> error) { failure_ = std::move(error); }
  /// The device falls off the bus.
  void lose(uint32_t index);

 private:
  std::vector<Device> devices_;
  std::optional<Error> failure_;
};

}  // namespace troupe::gpu
