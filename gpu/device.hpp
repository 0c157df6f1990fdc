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
  std::string bus{};       // PCI, as NVML writes it: "00000000:3B:00.0"
  bool operator==(const Device&) const = default;
};

/// How one device is, now.
struct DeviceState {
  uint64_t mem_used = 0;
  std::vector<int32_t> processes{};  // that compute on it
  uint64_t ecc_double = 0;  // errors that could not be corrected, since the driver was loaded
  std::optional<uint32_t> celsius{};
  bool hot = false;  // it has slowed itself down for that
};

/// News of a device: its driver has logged an Xid, or an error of its memory.
struct DeviceEvent {
  std::string uuid;
  uint64_t xid = 0;  // 0: not one, but uncorrected memory
};

/// One NVLink that is up.
struct DeviceLink {
  uint32_t device = 0;     // index
  std::string remote_bus;  // PCI: of another device, or of a switch
};

struct DriverVersions {
  std::string driver;  // "550.54.15"
  int cuda = 0;        // the newest CUDA that it can run: 12040
};

class GpuDriver {
 public:
  virtual ~GpuDriver() = default;
  /// All devices that answer, by index. A machine without the driver gives not_found: it has no
  /// GPUs to lend, which is no fault; every other error is one.
  virtual Result<std::vector<Device>> devices() = 0;
  /// not_found where there is no such device any more.
  virtual Result<DeviceState> look(const std::string& uuid) = 0;
  /// What was not told yet. Never waits. Where a driver tells nothing, look() must do.
  virtual std::vector<DeviceEvent> events() = 0;
  virtual std::vector<DeviceLink> links() = 0;
  virtual Result<DriverVersions> versions() = 0;
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
  Result<DeviceState> look(const std::string& uuid) override;
  std::vector<DeviceEvent> events() override;
  std::vector<DeviceLink> links() override;
  Result<DriverVersions> versions() override;

 private:
  struct Library;
  Result<void> load();

  std::string path_;
  std::unique_ptr<Library> library_;
};

/// Devices as told, failures as told. Tests tell it from their own thread, so all of it is locked.
class FakeGpuDriver final : public GpuDriver {
 public:
  explicit FakeGpuDriver(std::vector<Device> devices = {});
  /// `count` alike, as a machine from one order has them.
  static FakeGpuDriver alike(uint32_t count, const std::string& name, uint64_t mem_bytes);

  Result<std::vector<Device>> devices() override;
  Result<DeviceState> look(const std::string& uuid) override;
  std::vector<DeviceEvent> events() override;
  std::vector<DeviceLink> links() override;
  Result<DriverVersions> versions() override;
  /// What look() says of it from now on.
  void set_state(uint32_t index, DeviceState state);
  /// The driver logs this next.
  void log_xid(uint32_t index, uint64_t xid);
  void set_links(std::vector<DeviceLink> links);
  void set_versions(DriverVersions versions);
  /// Every call fails with this until it is taken back with nothing.
  void fail_with(std::optional<Error> error);
  /// The device falls off the bus.
  void lose(uint32_t index);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe::gpu
