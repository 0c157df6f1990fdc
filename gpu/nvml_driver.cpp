#include "gpu/device.hpp"

#include <fmt/format.h>

#include <dlfcn.h>

namespace troupe::gpu {

namespace {

// The few declarations of NVML's stable C interface that are used here. Its header is not in
// Debian's main section, and the library itself comes with each machine's driver.
using NvmlReturn = int;
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total, free, used;
};
constexpr NvmlReturn nvml_success = 0;
constexpr NvmlReturn nvml_driver_not_loaded = 9;
constexpr unsigned text_bytes = 96;  // the longest that NVML gives for a name or UUID

}  // namespace

struct NvmlDriver::Library {
  void* handle = nullptr;
  NvmlReturn (*init)() = nullptr;
  NvmlReturn (*shutdown)() = nullptr;
  const char* (*error_string)(NvmlReturn) = nullptr;
  NvmlReturn (*count)(unsigned*) = nullptr;
  NvmlReturn (*by_index)(unsigned, NvmlDevice*) = nullptr;
  NvmlReturn (*name)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
  bool initialized = false;

  ~Library() {
    if (initialized) shutdown();
    if (handle != nullptr) ::dlclose(handle);
  }

  /// The name of the first function that is missing, or null.
  const char* bind() {
    const char* missing = nullptr;
    auto find = [&](const char* symbol, auto& function) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(handle, symbol));
      if (function == nullptr && missing == nullptr) missing = symbol;
    };
    find("nvmlInit_v2", init);
    find("nvmlShutdown", shutdown);
    find("nvmlErrorString", error_string);
    find("nvmlDeviceGetCount_v2", count);
    find("nvmlDeviceGetHandleByIndex_v2", by_index);
    find("nvmlDeviceGetName", name);
    find("nvmlDeviceGetUUID", uuid);
    find("nvmlDeviceGetMemoryInfo", memory);
    return missing;
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
  auto library = std::make_unique<Library>();
  library->handle = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library->handle == nullptr) {
    const char* reason = ::dlerror();
    return Error{Errc::not_found, "no NVIDIA driver on this machine",
                 reason != nullptr ? reason : path_ + " could not be loaded",
                 "install the NVIDIA driver if this machine has GPUs to lend"};
  }
  if (const char* missing = library->bind())
    return Error{Errc::unavailable, "the NVIDIA driver cannot be used",
                 fmt::format("{} has no {}", path_, missing), "install a newer NVIDIA driver"};
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
    if (code != nvml_success)
      return library_->error(code, fmt::format("GPU {} could not be read", index));
    devices.push_back({index, uuid, name, memory.total});
  }
  return devices;
}

}  // namespace troupe::gpu
