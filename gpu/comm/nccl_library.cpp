#include "gpu/comm/nccl_library.hpp"

#include <fmt/format.h>

#include <array>
#include <dlfcn.h>
#include <type_traits>

namespace troupe::comm {

namespace {

constexpr int cuda_insufficient_driver = 35, cuda_no_device = 100;

/// The first of some libraries that can be loaded; never closed.
struct Opened {
  void* handle = nullptr;
  std::string name;
};

Result<Opened> open_first(const std::vector<std::string>& names, const char* whose,
                          const char* hint) {
  std::string reasons;
  for (const auto& name : names) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL); handle != nullptr)
      return Opened{handle, name};
    const char* reason = ::dlerror();
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", reason != nullptr ? reason : name);
  }
  return Error{Errc::unavailable, fmt::format("{} is not there", whose), std::move(reasons), hint};
}

/// Looks functions up and notes the first that is missing.
class Finder {
 public:
  explicit Finder(void* handle) : handle_{handle} {}
  template <class Function>
  void operator()(const char* symbol, Function& function) {
    optional(symbol, function);
    if (function == nullptr && missing_ == nullptr) missing_ = symbol;
  }
  template <class Function>
  void optional(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle_, symbol));
  }
  const char* missing() const { return missing_; }

 private:
  void* handle_;
  const char* missing_ = nullptr;
};

}  // namespace

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string nccl_version_text(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Result<std::shared_ptr<const CudaLibrary>> CudaLibrary::load(
    const std::vector<std::string>& names) {
  auto opened = open_first(names, "CUDA's runtime",
                           "install it, or use communicators of the CPU on this machine");
  if (!opened) return std::move(opened).error();
  auto library = std::make_shared<CudaLibrary>();
  library->name = opened->name;
  Finder find{opened->handle};
  find("cudaDriverGetVersion", library->driver_version);
  find("cudaRuntimeGetVersion", library->runtime_version);
  find("cudaGetDeviceCount", library->device_count);
  find("cudaSetDevice", library->set_device);
  find("cudaDeviceGetPCIBusId", library->bus_id);
  find("cudaStreamCreateWithFlags", library->stream_create);
  find("cudaStreamDestroy", library->stream_destroy);
  find("cudaStreamQuery", library->stream_query);
  find("cudaMalloc", library->allocate);
  find("cudaFree", library->release);
  find("cudaMemcpy", library->copy);
  find("cudaGetLastError", library->last_error);
  find("cudaGetErrorString", library->error_text);
  if (const char* missing = find.missing())
    return Error{Errc::unavailable, "CUDA's runtime cannot be used",
                 fmt::format("{} has no {}", library->name, missing), "install a newer one"};
  if (auto code = library->runtime_version(&library->runtime); code != cuda_success)
    return library->error(code, "CUDA's runtime does not say its version");
  if (auto code = library->driver_version(&library->driver); code != cuda_success)
    return library->error(code, "CUDA's runtime does not say the driver's version");
  return std::shared_ptr<const CudaLibrary>{std::move(library)};
}

Result<int> CudaLibrary::devices() const {
  int count = 0;
  auto code = device_count(&count);
  if (code == cuda_success && count > 0) return count;
  (void)last_error();
  if (code == cuda_insufficient_driver && driver != 0)
    return Error{Errc::unavailable, "the NVIDIA driver is too old",
                 fmt::format("it can do CUDA {}, and {} is CUDA {}", cuda_version_text(driver),
                             name, cuda_version_text(runtime)),
                 fmt::format("install a newer driver, or a CUDA runtime of at most {}",
                             cuda_version_text(driver))};
  if (code == cuda_insufficient_driver)
    return Error{Errc::unavailable, "there is no NVIDIA driver",
                 fmt::format("{} is CUDA {}, and finds none", name, cuda_version_text(runtime)),
                 "run troupe doctor there, or use communicators of the CPU"};
  if (code == cuda_success || code == cuda_no_device)
    return Error{Errc::unavailable, "there is no GPU for this process",
                 "CUDA sees none of this machine's devices",
                 "ask for some with --gpus, and see CUDA_VISIBLE_DEVICES"};
  return error(code, "the GPUs cannot be counted");
}

Error CudaLibrary::error(int code, std::string what) const {
  (void)last_error();
  return {Errc::io, std::move(what), fmt::format("CUDA error {}: {}", code, error_text(code)),
          "look at nvidia-smi and dmesg on that machine"};
}

Result<std::shared_ptr<const NcclLibrary>> NcclLibrary::load(
    const std::vector<std::string>& names) {
  auto opened =
      open_first(names, "NCCL", "install it, or use communicators of the CPU on this machine");
  if (!opened) return std::move(opened).error();
  auto library = std::make_shared<NcclLibrary>();
  library->name = opened->name;
  Finder find{opened->handle};
  find("ncclGetVersion", library->get_version);
  find("ncclGetUniqueId", library->get_id);
  find("ncclCommInitRankConfig", library->init);
  find("ncclCommFinalize", library->finalize);
  find("ncclCommDestroy", library->destroy);
  find("ncclCommAbort", library->abort);
  find("ncclCommGetAsyncError", library->async_error);
  find("ncclGetErrorString", library->error_text);
  find("ncclAllReduce", library->all_reduce);
  find("ncclBroadcast", library->broadcast);
  find("ncclReduceScatter", library->reduce_scatter);
  find("ncclAllGather", library->all_gather);
  find("ncclSend", library->send);
  find("ncclRecv", library->receive);
  find("ncclGroupStart", library->group_start);
  find("ncclGroupEnd", library->group_end);
  find.optional("ncclGetLastError", library->last_error);
  find.optional("ncclCommShrink", library->shrink);
  if (library->get_version != nullptr) (void)library->get_version(&library->version);
  if (const char* missing = find.missing())
    return Error{Errc::unavailable, "NCCL is too old",
                 fmt::format("{} is {} and has no {}", library->name,
                             nccl_version_text(library->version), missing),
                 "install NCCL 2.14 or newer"};
  return std::shared_ptr<const NcclLibrary>{std::move(library)};
}

Error NcclLibrary::error(int code, std::string what, NcclComm comm) const {
  auto detail = fmt::format("NCCL error {}: {}", code, error_text(code));
  std::string said = last_error != nullptr ? last_error(comm) : "";
  if (!said.empty()) detail += fmt::format(" ({})", said);
  bool wrong_use = code == nccl_invalid_argument || code == nccl_invalid_usage;
  auto kind = wrong_use                     ? Errc::invalid
              : code == nccl_internal_error ? Errc::failed
                                            : Errc::unavailable;
  return {kind, std::move(what), std::move(detail),
          "start again with NCCL_DEBUG=INFO to see what NCCL did"};
}

std::optional<int> nccl_type(DataType type) {
  // By the number of the type; NCCL has no integers of 16 bits.
  constexpr std::array<int, data_types> numbers{7, 8, 6, 9, 0, 1, -1, -1, 2, 3, 4, 5};
  auto number = numbers[static_cast<size_t>(type)];
  return number < 0 ? std::nullopt : std::optional{number};
}

int nccl_op(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return 0;
    case ReduceOp::prod:
      return 1;
    case ReduceOp::max:
      return 2;
    case ReduceOp::min:
      return 3;
    case ReduceOp::avg:
      break;
  }
  return 4;
}

}  // namespace troupe::comm
