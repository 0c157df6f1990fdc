// NVIDIA's libraries as far as communicators of devices need them: the types are declared here, as
// the stable C interfaces have them, and the functions are looked up at run time. So one program
// runs with and without them. Loaded libraries stay loaded: they start threads of their own.
#pragma once

#include "gpu/comm/types.hpp"
#include "runtime/core/result.hpp"

#include <climits>
#include <memory>
#include <vector>

namespace troupe::comm {

using CudaStream = void*;

/// CUDA's runtime.
struct CudaLibrary {
  std::string name;  // "libcudart.so.13"
  int runtime = 0;   // 13000
  int driver = 0;    // what the driver can do; 0: there is none

  int (*driver_version)(int*) = nullptr;
  int (*runtime_version)(int*) = nullptr;
  int (*device_count)(int*) = nullptr;
  int (*set_device)(int) = nullptr;
  int (*bus_id)(char*, int, int) = nullptr;
  int (*stream_create)(CudaStream*, unsigned) = nullptr;
  int (*stream_destroy)(CudaStream) = nullptr;
  int (*stream_query)(CudaStream) = nullptr;
  int (*allocate)(void**, size_t) = nullptr;
  int (*release)(void*) = nullptr;
  int (*copy)(void*, const void*, size_t, int) = nullptr;  // last: 1 to the device, 2 from it
  int (*last_error)() = nullptr;
  const char* (*error_text)(int) = nullptr;

  /// The first of these that is there; an error where its driver or a device is missing.
  static Result<std::shared_ptr<const CudaLibrary>> load(const std::vector<std::string>& names);
  /// How many devices this process may use: at least one, or why there is none.
  Result<int> devices() const;
  /// A failed call; CUDA forgets it.
  Error error(int code, std::string what) const;
};

constexpr int cuda_success = 0, cuda_not_ready = 600;
constexpr unsigned cuda_stream_apart = 1;  // does not wait for the stream that all share

using NcclComm = void*;
struct NcclId {
  char bytes[128];
};
/// As far as NCCL 2.14 knew it, which later ones take as well: they set what it lacks themselves.
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 0;
  int reserved = INT_MIN;  // where later versions have a setting: this says that it is not set
};

enum NcclCode : int {
  nccl_success = 0,
  nccl_cuda_error,
  nccl_system_error,
  nccl_internal_error,
  nccl_invalid_argument,
  nccl_invalid_usage,
  nccl_remote_error,
  nccl_in_progress,
};
constexpr int nccl_shrink_version = 22700;
constexpr int nccl_shrink_default = 0, nccl_shrink_abort = 1;

struct NcclLibrary {
  std::string name;
  int version = 0;  // 22809

  int (*get_version)(int*) = nullptr;
  int (*get_id)(NcclId*) = nullptr;
  int (*init)(NcclComm*, int, NcclId, int, NcclConfig*) = nullptr;
  int (*finalize)(NcclComm) = nullptr;
  int (*destroy)(NcclComm) = nullptr;
  int (*abort)(NcclComm) = nullptr;
  int (*async_error)(NcclComm, int*) = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*all_reduce)(const void*, void*, size_t, int, int, NcclComm, CudaStream) = nullptr;
  int (*broadcast)(const void*, void*, size_t, int, int, NcclComm, CudaStream) = nullptr;
  int (*reduce_scatter)(const void*, void*, size_t, int, int, NcclComm, CudaStream) = nullptr;
  int (*all_gather)(const void*, void*, size_t, int, NcclComm, CudaStream) = nullptr;
  int (*send)(const void*, size_t, int, int, NcclComm, CudaStream) = nullptr;
  int (*receive)(void*, size_t, int, int, NcclComm, CudaStream) = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;
  // Those that older ones lack.
  const char* (*last_error)(NcclComm) = nullptr;
  int (*shrink)(NcclComm, int*, int, NcclComm*, NcclConfig*, int) = nullptr;

  static Result<std::shared_ptr<const NcclLibrary>> load(const std::vector<std::string>& names);
  /// A failed call; `comm` may be null.
  Error error(int code, std::string what, NcclComm comm) const;
};

/// "2.28.9" of 22809.
std::string nccl_version_text(int version);
/// "13.0" of 13000.
std::string cuda_version_text(int version);

/// NCCL's number of a type; nothing where it has none.
std::optional<int> nccl_type(DataType type);
int nccl_op(ReduceOp op);

}  // namespace troupe::comm
