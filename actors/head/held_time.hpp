// What an experiment has used of a budget: devices for as long as it has held them.
#pragma once

#include "runtime/core/record.hpp"

#include <algorithm>

namespace troupe::actors {

/// Of one worker. Where some workers have GPUs and GPU-hours are counted, the others use none.
inline double devices_of(const Budget& budget, const ExperimentSpec& spec, uint32_t worker) {
  const auto& own = spec.resources_at(worker);
  bool gpus =
      own.gpus != 0 || std::any_of(spec.roles.begin(), spec.roles.end(), [&](const auto& role) {
        return (role.resources ? *role.resources : spec.resources).gpus != 0;
      });
  return budget.kind == Budget::Kind::gpu && gpus && own.gpus == 0 ? 0 : budget.devices(own);
}

/// In microseconds of one device, over all attempts; one that has not ended counts up to now. Both
/// kinds are counted: somebody may change the budget to the other.
struct HeldTime {
  double cpu_us = 0, gpu_us = 0;

  void add(const ExperimentRecord& record, Timestamp now) {
    for (const auto& attempt : record.attempts) {
      auto until = attempt.ended ? attempt.ended : now;
      if (until.us <= attempt.started.us) continue;
      auto span = static_cast<double>(until.us - attempt.started.us);
      for (const auto& job : attempt.jobs) {
        cpu_us += span * devices_of({Budget::Kind::cpu, 0}, *record.spec, job.index);
        gpu_us += span * devices_of({Budget::Kind::gpu, 0}, *record.spec, job.index);
      }
    }
  }
  uint64_t of(Budget::Kind kind) const {
    return static_cast<uint64_t>(kind == Budget::Kind::gpu ? gpu_us : cpu_us);
  }
};

}  // namespace troupe::actors
