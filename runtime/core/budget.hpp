// What a set may use up before it ends: wall time, or devices times time. Plain values.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

struct Resources;

struct Budget {
  enum class Kind : uint8_t {
    wall,  // since the first member was placed
    gpu,   // GPUs held times the time they were held; of CPU cores where no GPU is asked for
    cpu,   // likewise CPU cores
  };
  Kind kind = Kind::wall;
  uint64_t amount_us = 0;  // one device for so many microseconds

  /// What it is counted in for members that ask for these: "gpu_hours", "cpu_core_hours", "hours".
  std::string_view unit(const Resources& resources) const;
  /// How many of that unit's devices one worker of them holds; 1 of wall time.
  double devices(const Resources& resources) const;
  bool operator==(const Budget&) const = default;
};

/// "40gpuh", "0.5 gpuh", "200cpuh", or a duration: "2h", "1h 30m". `invalid` otherwise, and for 0.
Result<Budget> parse_budget(std::string_view text);
/// In the form that is read again.
std::string to_string(const Budget& budget);

}  // namespace troupe
