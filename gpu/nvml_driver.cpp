#include "gpu/device.hpp"
#include "runtime/core/loaded_library.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::gpu {

namespace {

// The few declarations of NVML's stable C interface that are used here. Its header is not in
// Debian's main section, and the library itself comes with each machine's driver.
using NvmlReturn = int;
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlPci {
  char legacy[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};
struct NvmlProcess {
  unsigned pid;
  unsigned long long mem_used;
  unsigned gpu_instance, compute_instance;
};
struct NvmlEvent {
  NvmlDevice device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};
using NvmlEventSet = void*;
constexpr unsigned long long event_double_ecc = 2, event_xid = 8;
constexpr unsigned links_max = 18;         // of one device
constexpr unsigned uncorrected = 1;        // kind of memory errors
constexpr unsigned since_driver_load = 0;  // kind of counter
constexpr unsigned temperature_gpu = 0;
constexpr unsigned long long slowed_by_heat = 0x20 | 0x40;  // software's and hardware's
constexpr NvmlReturn nvml_success = 0;
constexpr NvmlReturn nvml_insufficient_size = 7;
constexpr NvmlReturn nvml_gpu_lost = 15;
constexpr NvmlReturn nvml_not_found = 6;
constexpr NvmlReturn nvml_driver_not_loaded = 9;
constexpr unsigned text_bytes = 96;  // the longest that NVML gives for a name or UUID

}  // namespace

struct NvmlDriver::Library {
  LoadedLibrary file;
  NvmlReturn (*init)() = nullptr;
  NvmlReturn (*shutdown)() = nullptr;
  const char* (*error_string)(NvmlReturn) = nullptr;
  NvmlReturn (*count)(unsigned*) = nullptr;
  NvmlReturn (*by_index)(unsigned, NvmlDevice*) = nullptr;
  NvmlReturn (*name)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
  // Those that older drivers or libraries may lack: without them less is known.
  NvmlReturn (*pci)(NvmlDevice, NvmlPci*) = nullptr;
  NvmlReturn (*by_uuid)(const char*, NvmlDevice*) = nullptr;
  NvmlReturn (*processes)(NvmlDevice, unsigned*, NvmlProcess*) = nullptr;
  NvmlReturn (*ecc)(NvmlDevice, unsigned, unsigned, unsigned long long*) = nullptr;
  NvmlReturn (*temperature)(NvmlDevice, unsigned, unsigned*) = nullptr;
  NvmlReturn (*slow_reasons)(NvmlDevice, unsigned long long*) = nullptr;
  NvmlReturn (*event_set)(NvmlEventSet*) = nullptr;
  NvmlReturn (*register_events)(NvmlDevice, unsigned long long, NvmlEventSet) = nullptr;
  NvmlReturn (*event_wait)(NvmlEventSet, NvmlEvent*, unsigned) = nullptr;
  NvmlReturn (*link_state)(NvmlDevice, unsigned, unsigned*) = nullptr;
  NvmlReturn (*link_remote)(NvmlDevice, unsigned, NvmlPci*) = nullptr;
  NvmlReturn (*driver_version)(char*, unsigned) = nullptr;
  NvmlReturn (*cuda_version)(int*) = nullptr;
  NvmlEventSet events = nullptr;
  bool initialized = false;

  explicit Library(const std::string& path) : file{{path}} {
    file.find("nvmlInit_v2", init);
    file.find("nvmlShutdown", shutdown);
    file.find("nvmlErrorString", error_string);
    file.find("nvmlDeviceGetCount_v2", count);
    file.find("nvmlDeviceGetHandleByIndex_v2", by_index);
    file.find("nvmlDeviceGetName", name);
    file.find("nvmlDeviceGetUUID", uuid);
    file.find("nvmlDeviceGetMemoryInfo", memory);
    file.find_optional("nvmlDeviceGetPciInfo_v3", pci);
    file.find_optional("nvmlDeviceGetHandleByUUID", by_uuid);
    file.find_optional("nvmlDeviceGetComputeRunningProcesses_v3", processes);
    file.find_optional("nvmlDeviceGetTotalEccErrors", ecc);
    file.find_optional("nvmlDeviceGetTemperature", temperature);
    file.find_optional("nvmlDeviceGetCurrentClocksThrottleReasons", slow_reasons);
    file.find_optional("nvmlEventSetCreate", event_set);
    file.find_optional("nvmlDeviceRegisterEvents", register_events);
    file.find_optional("nvmlEventSetWait_v2", event_wait);
    file.find_optional("nvmlDeviceGetNvLinkState", link_state);
    file.find_optional("nvmlDeviceGetNvLinkRemotePciInfo_v2", link_remote);
    file.find_optional("nvmlSystemGetDriverVersion", driver_version);
    file.find_optional("nvmlSystemGetCudaDriverVersion_v2", cuda_version);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (initialized) shutdown();
  }

  /// NVML's answer as an Error.
  Error error(NvmlReturn code, std::string what) const {
    return Error{Errc::io, std::move(what),
                 fmt::format("NVML error {}: {}", code, error_string(code)),
                 "look at nvidia-smi and dmesg on this machine"};
  }
};

NvmlDriver::NvmlDriver(std::string library) : path_{std::move(library)} {}
NvmlDriver::~NvmlDriver() = default;

Result<void> NvmlDriver::load() {
  if (library_) return ok();
  auto library = std::make_unique<Library>(path_);
  if (!library->file.is_open())
    return Error{Errc::not_found, "no NVIDIA driver on this machine", library->file.problem(),
                 "install the NVIDIA driver if this machine has GPUs to lend"};
  if (!library->file.problem().empty())
    return Error{Errc::unavailable, "the NVIDIA driver cannot be used", library->file.problem(),
                 "install a newer NVIDIA driver"};
  auto code = library->init();
  if (code == nvml_driver_not_loaded)
    return Error{Errc::not_found, "no NVIDIA driver on this machine",
                 "the library is installed, the kernel module is not loaded",
                 "run modprobe nvidia, or restart after an upgrade of the driver"};
  if (code != nvml_success) return library->error(code, "the NVIDIA driver did not start");
  library->initialized = true;
  library_ = std::move(library);
  return ok();
}

Result<std::vector<Device>> NvmlDriver::devices() {
  TROUPE_TRY(load());
  unsigned count = 0;
  if (auto code = library_->count(&count); code != nvml_success)
    return library_->error(code, "GPUs could not be counted");
  std::vector<Device> devices;
  for (unsigned index = 0; index < count; ++index) {
    NvmlDevice handle = nullptr;
    char name[text_bytes] = {};
    char uuid[text_bytes] = {};
    NvmlMemory memory{};
    auto code = library_->by_index(index, &handle);
    if (code == nvml_success) code = library_->name(handle, name, text_bytes);
    if (code == nvml_success) code = library_->uuid(handle, uuid, text_bytes);
    if (code == nvml_success) code = library_->memory(handle, &memory);
    if (code != nvml_success) {
      auto error = library_->error(code, fmt::format("GPU {} could not be read", index));
      if (code != nvml_gpu_lost) return error;
      // It has fallen off the bus; the others are as good as before.
      log::warning("gpu", "{}", to_string(error));
      continue;
    }
    NvmlPci place{};
    if (library_->pci != nullptr && library_->pci(handle, &place) == nvml_success)
      place.bus_id[sizeof place.bus_id - 1] = '\0';
    devices.push_back({index, uuid, name, memory.total, place.bus_id});
  }
  return devices;
}

Result<DeviceState> NvmlDriver::look(const std::string& uuid) {
  TROUPE_TRY(load());
  NvmlDevice handle = nullptr;
  NvmlMemory memory{};
  auto code =
      library_->by_uuid == nullptr ? nvml_success : library_->by_uuid(uuid.c_str(), &handle);
  if (handle == nullptr && code == nvml_success)
    return Error{Errc::unavailable, "GPUs cannot be looked at", "the driver's library is too old",
                 "install a newer NVIDIA driver"};
  if (code == nvml_success) code = library_->memory(handle, &memory);
  if (code != nvml_success) {
    auto error = library_->error(code, fmt::format("GPU {} does not answer", uuid));
    if (code == nvml_gpu_lost || code == nvml_not_found) error.code = Errc::not_found;
    return error;
  }
  DeviceState state;
  state.mem_used = memory.used;
  unsigned count = 64;
  std::vector<NvmlProcess> processes(count);
  if (library_->processes != nullptr) {
    code = library_->processes(handle, &count, processes.data());
    if (code == nvml_success || code == nvml_insufficient_size)
      for (unsigned i = 0; i < std::min<size_t>(count, processes.size()); ++i)
        state.processes.push_back(static_cast<int32_t>(processes[i].pid));
  }
  unsigned long long errors = 0, reasons = 0;
  if (library_->ecc != nullptr &&
      library_->ecc(handle, uncorrected, since_driver_load, &errors) == nvml_success)
    state.ecc_double = errors;
  unsigned celsius = 0;
  if (library_->temperature != nullptr &&
      library_->temperature(handle, temperature_gpu, &celsius) == nvml_success)
    state.celsius = celsius;
  if (library_->slow_reasons != nullptr && library_->slow_reasons(handle, &reasons) == nvml_success)
    state.hot = (reasons & slowed_by_heat) != 0;
  return state;
}

std::vector<DeviceEvent> NvmlDriver::events() {
  std::vector<DeviceEvent> found;
  if (!load() || library_->event_wait == nullptr || library_->event_set == nullptr ||
      library_->register_events == nullptr)
    return found;
  if (library_->events == nullptr) {
    unsigned count = 0;
    if (library_->event_set(&library_->events) != nvml_success ||
        library_->count(&count) != nvml_success)
      return found;
    for (unsigned index = 0; index < count; ++index)
      if (NvmlDevice handle = nullptr; library_->by_index(index, &handle) == nvml_success)
        (void)library_->register_events(handle, event_double_ecc | event_xid, library_->events);
  }
  NvmlEvent event{};
  // One that never ends is a driver gone mad.
  constexpr int events_max = 1000;
  for (int n = 0;
       n < events_max && library_->event_wait(library_->events, &event, 0) == nvml_success; ++n) {
    char uuid[text_bytes] = {};
    if (library_->uuid(event.device, uuid, text_bytes) != nvml_success) continue;
    found.push_back({uuid, event.type == event_xid ? event.data : 0});
  }
  return found;
}

std::vector<DeviceLink> NvmlDriver::links() {
  std::vector<DeviceLink> found;
  unsigned count = 0;
  if (!load() || library_->link_state == nullptr || library_->link_remote == nullptr ||
      library_->count(&count) != nvml_success)
    return found;
  for (unsigned index = 0; index < count; ++index) {
    NvmlDevice handle = nullptr;
    if (library_->by_index(index, &handle) != nvml_success) continue;
    for (unsigned link = 0; link < links_max; ++link) {
      unsigned up = 0;
      NvmlPci remote{};
      if (library_->link_state(handle, link, &up) != nvml_success || up == 0 ||
          library_->link_remote(handle, link, &remote) != nvml_success)
        continue;
      remote.bus_id[sizeof remote.bus_id - 1] = '\0';
      found.push_back({index, remote.bus_id});
    }
  }
  return found;
}

Result<DriverVersions> NvmlDriver::versions() {
  TROUPE_TRY(load());
  DriverVersions versions;
  char text[text_bytes] = {};
  if (library_->driver_version != nullptr &&
      library_->driver_version(text, text_bytes) == nvml_success)
    versions.driver = text;
  if (library_->cuda_version != nullptr) (void)library_->cuda_version(&versions.cuda);
  return versions;
}

}  // namespace troupe::gpu
