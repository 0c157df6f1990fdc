#include "gpu/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace troupe::gpu {

struct FakeGpuDriver::State {
  std::mutex lock;
  std::vector<Device> devices;
  std::map<std::string, DeviceState> states;
  std::vector<DeviceEvent> events;
  std::vector<DeviceLink> links;
  DriverVersions versions{"fake", 0};
  std::optional<Error> failure;

  std::string uuid_of(uint32_t index) const {
    for (const auto& device : devices)
      if (device.index == index) return device.uuid;
    return {};
  }
};

FakeGpuDriver::FakeGpuDriver(std::vector<Device> devices) : state_{std::make_shared<State>()} {
  state_->devices = std::move(devices);
}

FakeGpuDriver FakeGpuDriver::alike(uint32_t count, const std::string& name, uint64_t mem_bytes) {
  std::vector<Device> devices;
  for (uint32_t n = 0; n < count; ++n)
    devices.push_back({n, fmt::format("GPU-fake-{}", n), name, mem_bytes,
                       fmt::format("00000000:{:02X}:00.0", 0x10 + n)});
  return FakeGpuDriver{std::move(devices)};
}

Result<std::vector<Device>> FakeGpuDriver::devices() {
  std::lock_guard guard{state_->lock};
  if (state_->failure) return *state_->failure;
  return state_->devices;
}

Result<DeviceState> FakeGpuDriver::look(const std::string& uuid) {
  std::lock_guard guard{state_->lock};
  if (state_->failure) return *state_->failure;
  bool there = std::any_of(state_->devices.begin(), state_->devices.end(),
                           [&](const Device& device) { return device.uuid == uuid; });
  if (!there)
    return Error{Errc::not_found, fmt::format("GPU {} is gone", uuid), "it has fallen off the bus",
                 ""};
  return state_->states[uuid];
}

std::vector<DeviceEvent> FakeGpuDriver::events() {
  std::lock_guard guard{state_->lock};
  return std::exchange(state_->events, {});
}

std::vector<DeviceLink> FakeGpuDriver::links() {
  std::lock_guard guard{state_->lock};
  return state_->links;
}

Result<DriverVersions> FakeGpuDriver::versions() {
  std::lock_guard guard{state_->lock};
  if (state_->failure) return *state_->failure;
  return state_->versions;
}

void FakeGpuDriver::fail_with(std::optional<Error> error) {
  std::lock_guard guard{state_->lock};
  state_->failure = std::move(error);
}

void FakeGpuDriver::set_state(uint32_t index, DeviceState state) {
  std::lock_guard guard{state_->lock};
  state_->states[state_->uuid_of(index)] = std::move(state);
}

void FakeGpuDriver::log_xid(uint32_t index, uint64_t xid) {
  std::lock_guard guard{state_->lock};
  state_->events.push_back({state_->uuid_of(index), xid});
}

void FakeGpuDriver::set_links(std::vector<DeviceLink> links) {
  std::lock_guard guard{state_->lock};
  state_->links = std::move(links);
}

void FakeGpuDriver::set_versions(DriverVersions versions) {
  std::lock_guard guard{state_->lock};
  state_->versions = std::move(versions);
}

void FakeGpuDriver::lose(uint32_t index) {
  std::lock_guard guard{state_->lock};
  std::erase_if(state_->devices, [&](const Device& device) { return device.index == index; });
}

}  // namespace troupe::gpu
