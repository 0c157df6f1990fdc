// What the signs of a GPU mean: which of them end its use, which are a job's own. Pure.
#pragma once

#include "gpu/device.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace troupe::gpu {

enum class XidMeaning : uint8_t {
  own,      // of the program that ran there
  restart,  // that program is lost, the device is not
  broken,   // the device must be reset or replaced before anybody uses it again
};
XidMeaning meaning_of(uint64_t xid);

/// What is known of one device. Fed with what its driver says.
class Health {
 public:
  void event(const DeviceEvent& event);
  void state(const DeviceState& state);
  void lost(const Error& error);
  /// After its last job: what is still there that should not be.
  void left_over(const std::string& what) { left_over_ = what; }

  /// Why nobody may use it; empty: anybody may.
  std::string closed() const;
  /// Why the job on it can go on no longer; empty: it can.
  const std::string& broken() const { return broken_; }
  /// Signs that end nothing, for people: the newest.
  const std::string& note() const { return note_; }

 private:
  std::string broken_, left_over_, note_;
  std::optional<uint64_t> ecc_;
};

/// Whether a program made for that CUDA runs with this driver; the text says both versions.
/// Versions as CUDA counts: 12040 is 12.4; 0: not known.
std::string driver_shortcoming(const DriverVersions& driver, int toolkit_cuda);

}  // namespace troupe::gpu
