// What a communicator of devices consists of. Its parts belong to the thread that makes its calls.
#pragma once

#include "gpu/comm/device_communicator.hpp"

#include <functional>

namespace troupe::comm {

struct DeviceCommunicator::State {
  DeviceOptions options;
  std::unique_ptr<Communicator> ranks;
  std::shared_ptr<const CudaLibrary> cuda;
  std::shared_ptr<const NcclLibrary> nccl;
  int device = 0;
  CudaStream own_stream = nullptr;
  NcclComm comm = nullptr;
  uint64_t calls = 0;
  Signature last_call;
  std::optional<Error> failure;
  Moment looked;  // when the other ranks were looked at last

  ~State();
  uint32_t rank() const { return options.ranks.rank; }
  uint32_t size() const { return options.ranks.size; }

  /// The steps of open(), in this order; what fails is told to all ranks.
  Result<void> prepare();
  Result<void> agree();
  Result<void> connect(Moment until);
  /// Until NCCL has connected the ranks.
  Result<void> await_start(Moment until);

  /// What has failed here or at another rank, where somebody has not looked for a while.
  Result<void> look(bool now);
  /// What NCCL answered to a call, which may still be on its way into the stream.
  Result<void> settle(int code);
  /// Before a call and after it.
  Result<void> begin(const Signature& call, uint64_t blocks, bool has_data, uint32_t peer);
  Result<void> finish(Result<void> result, const Signature& call);
  Result<void> await_stream(CudaStream on);
  CudaStream stream_or_own(CudaStream on) const { return on != nullptr ? on : own_stream; }

  /// Ends it for all ranks; names those who say nothing where it was time that ran out.
  Error fail(const Error& cause);
  void end_nccl();
  /// What ranks write down for each other when something goes wrong.
  void write(const std::string& about, const std::string& text);
  std::vector<uint32_t> ranks_without(const std::string& about);
  std::string positions();
};

/// Runs a call of NCCL that may hang where a neighbour has crashed; leaves it behind after a while.
void run_within(std::chrono::milliseconds limit, const std::function<void()>& call);

}  // namespace troupe::comm
