// What a simulated process does, said in its command: {"sim", "ms=1500", "code=0", ...}. The
// workload writes it, the simulated launcher reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::sim {

struct JobScript {
  uint64_t run_ms = 0;
  int32_t code = 0;
  uint32_t bad_attempts = 0;  // these first attempts end with code 3
  bool ignores_term = false;
  bool ends_well_on_term = false;
  uint32_t metrics = 0;  // lines it writes, evenly over its time

  std::vector<std::string> to_argv() const;
  static JobScript of(const std::vector<std::string>& argv);
};

/// The value of the metric in line `line`, counted from 0, of an attempt.
inline double metric_value(uint32_t attempt, uint32_t line) {
  return 1000.0 * attempt + line;
}

}  // namespace troupe::sim
