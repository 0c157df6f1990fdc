// Bytes and durations as people write them: "2GiB", "90s", "1h 30m".
#pragma once

#include "runtime/core/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

using Duration = std::chrono::milliseconds;

/// A size in bytes. A number without a unit is refused: "mem: 4" has meant three things to three
/// people. Units: B, kB MB GB TB (powers of 1000), KiB MiB GiB TiB (powers of 1024); fractions
/// allowed ("1.5GiB").
Result<uint64_t> parse_bytes(std::string_view text);
/// "1.5 GiB", "784 B": powers of 1024, at most one decimal.
std::string bytes_text(uint64_t bytes);

/// A duration with units ms, s, m, h, d, w; several may follow each other ("1h30m", "1h 30m").
/// A bare number is refused.
Result<Duration> parse_duration(std::string_view text);
/// "1h 30m", "2.5s", "340ms", "0s": the two largest units that are not zero.
std::string duration_text(Duration duration);

}  // namespace troupe
