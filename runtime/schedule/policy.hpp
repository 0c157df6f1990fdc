// How the scheduler orders and places: plain values, fixed for the life of a Scheduler. Service is
// what an experiment has received: GPU-microseconds; eight CPUs without a GPU count as one GPU.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::schedule {

/// One hour of one GPU.
inline constexpr uint64_t gpu_hour = 3'600'000'000;
/// What one millisecond of all its workers counts.
uint64_t service_rate(const Amount& amount, size_t workers);

struct Policy {
  enum class Passing {
    none,      // nothing passes a request that does not fit yet
    backfill,  // what does not delay it may: limits tell when its room comes
    any,       // whatever fits; those passed are protected by `starving_after`
  };
  Passing passing = Passing::none;

  /// Service at which an experiment falls back by one level: short ones go first without anybody
  /// having to say which are short. Empty: one level, first come first served.
  std::vector<uint64_t> level_limits;

  /// Stops running experiments in favour of waiting ones of a higher priority or lower level.
  bool preempt = false;
  Time slice{0};  // what was started runs at least so long

  /// Who has not run for so long comes before all others of its priority, and keeps what it then
  /// gets for `rescue_slice`. 0: never.
  Time starving_after{0};
  Time rescue_slice{0};

  /// Projects, and users within a project, that used more than their share wait behind those that
  /// used less.
  bool fair_share = false;
  Time half_life = std::chrono::hours{24 * 7};  // of what was used: beyond a weekend

  enum class Packing {
    best_fit,       // the node with the least left over
    fragmentation,  // the node where the least becomes of no use for typical requests
  };
  Packing packing = Packing::best_fit;

  /// First come, first served, nothing passes: the plain order, and that of a default Policy.
  static Policy fifo() { return {}; }
  /// First come, first served; what has a limit may pass where it delays nobody.
  static Policy backfill();
  /// In order, but whatever fits starts.
  static Policy greedy();
  /// Attained service, fair share, preemption: the order of a cluster that is used by many.
  static Policy attained();
};

/// By the name of the maker; `invalid` names those there are.
Result<Policy> policy_named(std::string_view name);

}  // namespace troupe::schedule
