// One simulated cluster from a seed: its machines, its people, its faults, and whether everything
// that must hold did. The same seed is the same history, message by message.
#pragma once

#include "tests/sim/faults.hpp"
#include "tests/sim/workload.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace troupe::sim {

struct SimulationOptions {
  uint64_t seed = 1;
  std::string dir;  // for the disks; made, and removed at the end. In memory where possible
  bool tracing = false;
  bool faults = true;
  /// Called when the cluster stands, before anything happens: to break a promise on purpose.
  std::function<void(Network&, HeadMachine&)> sabotage;
};

struct Outcome {
  std::vector<std::string> failures;  // empty: all was well
  uint64_t history = 0;               // the same for the same seed
  uint64_t steps = 0, commits = 0, messages = 0, links = 0;
  uint64_t submissions = 0, acknowledged = 0, experiments = 0, attempts = 0;
  std::array<uint64_t, static_cast<size_t>(Fault::count_)> faults{};
  double virtual_seconds = 0;
};

/// Where disks in memory can lie, or else on a disk.
std::string memory_folder();

Outcome simulate(const SimulationOptions& options);

}  // namespace troupe::sim
