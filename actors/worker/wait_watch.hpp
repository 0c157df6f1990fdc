// How long the ranks of one job wait for others, as far as that is seen from outside: for ranks
// that meet in libraries that tell nothing (Gloo, MPI over TCP). The kernel knows how long a thread
// was not running; several looks a second say what it did instead, and so which part of that time
// it waited. Ranks that spin while they wait look busy, all of them: nobody is late then. Pure:
// time and looks come in from the job actor, its owner.
#pragma once

#include "runtime/process/process_look.hpp"
#include "runtime/process/wait_look.hpp"
#include "runtime/wire/messages.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

namespace troupe::actors {

class WaitWatch {
 public:
  using Time = std::chrono::nanoseconds;  // monotonic
  using Busiest = std::function<process::ProcessLook(int32_t pid)>;
  using Look = std::function<std::optional<process::WaitLook>(pid_t pid)>;

  /// With five looks a second chance alone makes no rank of two late in most of eight spans: the
  /// standard deviation of what it seems to wait less is at most a ninth.
  static constexpr auto span = std::chrono::seconds{8};

  explicit WaitWatch(uint32_t first_rank) : first_rank_{first_rank} {}

  /// These processes run, of ranks from the first on. The first span is not looked at: it has
  /// imports in it, and the way to each other.
  void begin(const std::vector<int32_t>& pids, Time now);
  /// To be called often; what the last span showed, once it is over.
  std::vector<RankPace> look(Time now, const Busiest& busiest, const Look& look);

 private:
  struct Rank {
    int32_t pid = 0;                     // that it began with
    pid_t main = 0;                      // its process that computes; 0: not looked at
    std::chrono::nanoseconds busy{0};    // when the span began
    bool known = true;                   // at all looks of this span
    uint32_t waits = 0, others = 0;      // looks of this span
    std::chrono::nanoseconds waited{0};  // in all spans
  };

  void begin_span(Time now, const Busiest& busiest, const Look& look);

  uint32_t first_rank_;
  std::vector<Rank> ranks_;
  Time begun_{0};       // this span
  uint64_t spans_ = 0;  // that are over
};

}  // namespace troupe::actors
