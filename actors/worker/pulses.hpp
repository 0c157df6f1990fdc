// What the ranks of one job were last seen to do, for the watchdog of its experiment. A rank shows
// progress by metrics; where it reports none, by lines of its log and by collective calls. Pure:
// time, metrics, log records and the state of processes come in from the job actor, its owner.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/process/process_look.hpp"
#include "runtime/process/stack_look.hpp"
#include "runtime/process/wait_look.hpp"
#include "runtime/wire/messages.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

class Pulses {
 public:
  using Time = std::chrono::nanoseconds;  // monotonic
  /// How processes are looked at.
  struct Looks {
    std::function<process::ProcessLook(int32_t pid)> process;
    std::function<std::optional<process::WaitLook>(pid_t pid)> wait;
    std::function<std::unique_ptr<process::StackLook>(pid_t pid)> stack;
  };

  Pulses(uint32_t first_rank, uint32_t ranks, Duration patience, Time now);

  /// Their processes run (again: another line of `run`). What was seen before counts no more.
  void begin(std::vector<int32_t> pids, Time now);
  /// Metrics of a source, "file" or "log". They are of the job's first rank. What was seen already
  /// and is read anew, for a head that came back, is no progress.
  void points(const std::string& source, const std::vector<WirePoint>& points, Time now);
  /// Records of the log store up to this offset, see scan_log.
  void lines(std::string_view records, uint64_t end, Time now);

  /// Ranks that have made collective calls since, as they tell it themselves.
  void calls(const std::vector<RankPace>& paces, Time now);

  /// At most once a second; else nothing.
  std::vector<RankPulse> due(Time now, const Looks& looks);

 private:
  struct Rank {
    RankPulse::By by = RankPulse::By::nothing;
    Time last{0};          // sign of progress, or the beginning
    Time steady_since{0};  // the first of those that came without a pause
    uint32_t reports = 0;  // times at which new metrics were there
    bool has_step = false;
    double step = 0;
    int32_t pid = 0;
    bool looked = false;                        // since its last sign
    std::chrono::milliseconds cpu{0};           // at the first look since
    std::unique_ptr<process::StackLook> stack;  // begun then
  };

  void sign(Rank& rank, RankPulse::By by, Time now);
  RankPulse pulse(size_t index, Time now, const Looks& looks);

  uint32_t first_rank_;
  Duration patience_;
  std::vector<Rank> ranks_;
  Time last_due_{0};
  uint64_t file_seen_ = 0, log_seen_ = 0, lines_seen_ = 0;
};

}  // namespace troupe::actors
