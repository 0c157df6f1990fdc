// Communicators of GPUs: the calls of communicator.hpp over memory of devices, by NCCL, one device
// a rank. NCCL is loaded at run time; a machine without it, or without a driver, gives an error.
//
// The ranks find each other through a Communicator, which then stays beside NCCL: it tells all
// ranks what goes wrong at one, and notices a rank whose process ends. NCCL itself notices neither.
//
// Calls put work on a stream and return; wait() returns when it is done. A rank that fails, or
// whose device does not finish within the deadline, ends the communicator: NCCL's part is aborted
// on every rank and their calls end with the same cause. So wait for a stream with wait(), never
// with CUDA alone, which knows no deadline.
//
// A communicator belongs to one thread at a time.
#pragma once

#include "gpu/comm/communicator.hpp"
#include "gpu/comm/nccl_library.hpp"

namespace troupe::comm {

struct DeviceOptions {
  /// Who the ranks are and how they find each other. `join_deadline` holds for the ranks' coming,
  /// and once more for NCCL's own start; `patience.deadline` for wait().
  Options ranks;
  /// This rank's device, by its place among those that the process sees; counted around, so that
  /// LOCAL_RANK is right both where a rank sees all of its job and where it sees its own alone.
  uint32_t device = 0;
  /// Compare each call with the other ranks' before it is made: what differs is an error on all of
  /// them instead of a hang. Costs some microseconds a call.
  bool check_calls = false;
  std::vector<std::string> cuda{"libcudart.so.13", "libcudart.so.12"};
  std::vector<std::string> nccl{"libnccl.so.2"};
};

/// As options_from_environment(), and TROUPE_COMM_CHECK, TROUPE_COMM_CUDART, TROUPE_COMM_NCCL.
Result<DeviceOptions> device_options_from_environment(const std::string& name = {});

class DeviceCommunicator {
 public:
  /// Waits for all ranks, and until NCCL has connected them.
  static Result<std::unique_ptr<DeviceCommunicator>> open(const DeviceOptions& options);
  /// Lets what is under way end; where something has failed nobody waits for anybody.
  ~DeviceCommunicator();
  DeviceCommunicator(const DeviceCommunicator&) = delete;
  DeviceCommunicator& operator=(const DeviceCommunicator&) = delete;

  uint32_t rank() const;
  uint32_t size() const;
  int device() const;
  /// NCCL's, as 22809.
  int nccl_version() const;
  /// The one on which calls without a stream are made.
  CudaStream stream() const;

  // Pointers are to memory of this rank's device. A null stream is stream(). What each call does
  // is said in communicator.hpp; integers of 16 bits can be moved, and not reduced.
  Result<void> all_reduce(const void* in, void* out, size_t count, DataType type, ReduceOp op,
                          CudaStream on = nullptr);
  Result<void> broadcast(void* data, size_t count, DataType type, uint32_t root,
                         CudaStream on = nullptr);
  Result<void> reduce_scatter(const void* in, void* out, size_t count, DataType type, ReduceOp op,
                              CudaStream on = nullptr);
  Result<void> all_gather(const void* in, void* out, size_t count, DataType type,
                          CudaStream on = nullptr);
  /// Never in place.
  Result<void> all_to_all(const void* in, void* out, size_t count, DataType type,
                          CudaStream on = nullptr);
  Result<void> send(const void* data, size_t count, DataType type, uint32_t to,
                    CudaStream on = nullptr);
  Result<void> receive(void* data, size_t count, DataType type, uint32_t from,
                       CudaStream on = nullptr);

  /// Until all that was put on the stream is done.
  Result<void> wait(CudaStream on = nullptr);
  /// wait(), and then until all ranks have come.
  Result<void> barrier(CudaStream on = nullptr);

  /// A communicator of the other ranks, made by all of them in the same call; they keep their order
  /// and close up. This one is ended, and must have nothing under way; or it has failed, for the
  /// loss of those ranks for instance. Needs a store that outlives the ranks that go. A sound one
  /// is made smaller by NCCL itself, from 2.27 on; else the ranks are connected anew.
  Result<std::unique_ptr<DeviceCommunicator>> shrink(std::span<const uint32_t> without);

  /// Ends it for all ranks: their calls give this cause.
  void abort(const Error& cause);

 private:
  struct State;
  explicit DeviceCommunicator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace troupe::comm
