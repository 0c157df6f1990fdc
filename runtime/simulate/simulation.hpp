// Replays a workload in virtual time with the Scheduler that also runs clusters. Pure and
// deterministic: the same workload and options give the same report.
#pragma once

#include "runtime/schedule/policy.hpp"
#include "runtime/simulate/workload.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::simulate {

struct Options {
  schedule::Policy policy;
  Time restart_cost = std::chrono::seconds{30};  // of work lost with each stop
  Time grace{0};                                 // from the order to stop to the end
};

/// What became of one task. Times are those of the simulation; -1 ms: never.
struct Outcome {
  Time first_start{-1};
  Time end{-1};
  Time longest_stall{0};  // without running
  uint32_t stops = 0;
  bool cut = false;  // its limit ended it
};

/// Of many values, in hours.
struct Spread {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};

/// One piece of time: means over it.
struct Sample {
  double gpus = 0;  // held
  double cpus = 0;
  double waiting = 0;  // experiments
};

struct Report {
  std::vector<Outcome> outcomes;  // by task
  size_t finished = 0, cut = 0, never_started = 0;
  uint64_t stops = 0;
  uint64_t decisions = 0;
  Spread completion, first_wait, stall;
  double makespan_hours = 0;
  double gpus = 0, cpus = 0;        // of all nodes
  double gpu_use = 0, cpu_use = 0;  // held, of what there is, to the last submission; 0 to 1
  Time sample_every{0};
  std::vector<Sample> samples;
};

Report run(const Workload& workload, const Options& options);

/// The report as a page of its own: use and waiting over time, and who waited how long. SVG.
std::string chart(const Report& report, const std::string& title);

}  // namespace troupe::simulate
