// What goes wrong in a simulated cluster, and when: each seed has its own mix of kinds, its own
// pace, and chaos for some seconds; then everything is repaired, for good.
#pragma once

#include "tests/sim/checker.hpp"
#include "tests/sim/machines.hpp"

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::sim {

enum class Fault : uint8_t {
  head_crash,      // at any moment
  commit_crash,    // of the head, right before or right behind a commit
  worker_crash,    // launcher and jobs go on
  worker_leaves,   // in order, and comes back
  launcher_crash,  // and all processes with it
  power_cut,       // of a worker's machine
  head_pause,
  worker_pause,
  cut,          // no packet of a worker gets through
  one_way_cut,  // none in one direction
  slow,         // packets take long, and are late by very different times
  disk_error,   // commits fail for a while
  clock_jump,
  count_,
};
std::string_view to_string(Fault fault);

class Faults {
 public:
  Faults(World& world, Network& network, HeadMachine& head,
         std::vector<std::unique_ptr<WorkerMachine>>& workers, Checker& checker);

  void begin(Nanos span);
  /// Everything is well from here on.
  void heal();
  const std::array<uint64_t, static_cast<size_t>(Fault::count_)>& counts() const { return counts_; }

 private:
  void next();
  void happen(Fault fault);
  void crash_head();
  void start_head();
  void pause(ProcessId process, Nanos time);
  void resume(ProcessId process);
  void crash_worker(WorkerMachine& worker);
  void cut(WorkerMachine& worker, bool both);
  void slow(WorkerMachine& worker);
  Nanos away();  // until something that died is started again
  std::optional<Error> before_commit();

  World& world_;
  Network& network_;
  HeadMachine& head_;
  std::vector<std::unique_ptr<WorkerMachine>>& workers_;
  Checker& checker_;
  Random random_;
  std::vector<Fault> kinds_;
  std::array<uint64_t, static_cast<size_t>(Fault::count_)> counts_{};
  Nanos pace_{0};
  Nanos until_{0};
  bool healed_ = false;
  uint32_t crash_at_commit_ = 0;  // counts down
  bool crash_before_ = false;
  bool crashing_ = false;
  Nanos disk_bad_until_{0};
};

}  // namespace troupe::sim
