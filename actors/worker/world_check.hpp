// Whether one world of N formed where N ranks were started, or N worlds of one: the commonest way
// in which a launch goes wrong, and nothing fails by it. Pure: time and what can be seen of the
// processes come in from the job actor, its owner. The first job of a gang looks for all.
#pragma once

#include "runtime/core/error.hpp"
#include "runtime/process/world_look.hpp"
#include "runtime/wire/messages.hpp"

#include <chrono>
#include <functional>
#include <vector>

namespace troupe::actors {

class WorldCheck {
 public:
  using Time = std::chrono::nanoseconds;  // monotonic
  using Look = std::function<process::WorldLook(const std::vector<int32_t>& pids, uint16_t port)>;

  /// The processes of a line of `run` exist.
  WorldCheck(const JobOrder& order, std::vector<int32_t> pids, Time now);

  /// Looks from time to time; whether warning() is another now.
  bool look(Time now, const Look& look);
  /// Empty where nothing is wrong, as far as can be seen.
  const Error& warning() const { return warning_; }

  /// At the end of a line whose processes were to ask PMI for their world, and none did.
  static Error nobody_asked(const JobOrder& order);

 private:
  uint32_t size_;
  uint16_t port_;
  std::vector<int32_t> pids_;
  Time next_;
  Time mpi_since_{0}, torch_since_{0};
  bool formed_ = false;
  Error warning_;
};

}  // namespace troupe::actors
