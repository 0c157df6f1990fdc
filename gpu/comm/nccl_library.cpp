#include "gpu/comm/nccl_library.hpp"

#include "runtime/core/loaded_library.hpp"

#include <fmt/format.h>

#include <array>

namespace troupe::comm {

namespace {

constexpr int cuda_insufficient_driver = 35, cuda_no_device = 100;
constexpr const char* install_it = "install it, or use communicators of the CPU on this machine";

}  // namespace

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string nccl_version_text(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Result<std::shared_ptr<const CudaLibrary>> CudaLibrary::load(
    const std::vector<std::string>& names) {
  LoadedLibrary cuda{names};
  if (!cuda.is_open())
    return Error{Errc::unavailable, "CUDA's runtime is not there", cuda.problem(), install_it};
  auto library = std::make_shared<CudaLibrary>();
  library->name = cuda.name();
  cuda.find("cudaDriverGetVersion", library->driver_version);
  cuda.find("cudaRuntimeGetVersion", library->runtime_version);
  cuda.find("cudaGetDeviceCount", library->device_count);
  cuda.find("cudaSetDevice", library->set_device);
  cuda.find("cudaDeviceGetPCIBusId", library->bus_id);
  cuda.find("cudaStreamCreateWithFlags", library->stream_create);
  cuda.find("cudaStreamDestroy", library->stream_destroy);
  cuda.find("cudaStreamQuery", library->stream_query);
  cuda.find("cudaMalloc", library->allocate);
  cuda.find("cudaFree", library->release);
  cuda.find("cudaMemcpy", library->copy);
  cuda.find("cudaGetLastError", library->last_error);
  cuda.find("cudaGetErrorString", library->error_text);
  if (!cuda.problem().empty())
    return Error{Errc::unavailable, "CUDA's runtime cannot be used", cuda.problem(),
                 "install a newer one"};
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
  LoadedLibrary nccl{names};
  if (!nccl.is_open())
    return Error{Errc::unavailable, "NCCL is not there", nccl.problem(), install_it};
  auto library = std::make_shared<NcclLibrary>();
  library->name = nccl.name();
  nccl.find("ncclGetVersion", library->get_version);
  nccl.find("ncclGetUniqueId", library->get_id);
  nccl.find("ncclCommInitRankConfig", library->init);
  nccl.find("ncclCommFinalize", library->finalize);
  nccl.find("ncclCommDestroy", library->destroy);
  nccl.find("ncclCommAbort", library->abort);
  nccl.find("ncclCommGetAsyncError", library->async_error);
  nccl.find("ncclGetErrorString", library->error_text);
  nccl.find("ncclAllReduce", library->all_reduce);
  nccl.find("ncclBroadcast", library->broadcast);
  nccl.find("ncclReduceScatter", library->reduce_scatter);
  nccl.find("ncclAllGather", library->all_gather);
  nccl.find("ncclSend", library->send);
  nccl.find("ncclRecv", library->receive);
  nccl.find("ncclGroupStart", library->group_start);
  nccl.find("ncclGroupEnd", library->group_end);
  nccl.find_optional("ncclGetLastError", library->last_error);
  nccl.find_optional("ncclCommShrink", library->shrink);
  if (library->get_version != nullptr) (void)library->get_version(&library->version);
  if (!nccl.problem().empty())
    return Error{Errc::unavailable, "NCCL is too old",
                 fmt::format("{}; it is {}", nccl.problem(), nccl_version_text(library->version)),
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
