// Metrics as jobs write them: JSON lines in the metrics file, and JSON lines with "metric" and
// "value" on standard output. Pure: bytes in, points out.
#pragma once

#include "runtime/wire/messages.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::actors {

struct MetricScan {
  std::vector<WirePoint> points;
  uint64_t consumed = 0;   // bytes read: whole lines only
  uint64_t bad_lines = 0;  // skipped: no JSON object, too long, or a value that is no number
};

/// Lines of the metrics file: {"step": 3, "loss": 0.25, "accuracy": 0.9}. `offset` is where `bytes`
/// begin in the file; `line` counts lines read so far and stands in for a missing step. `final`
/// also takes a last line without newline.
MetricScan scan_metric_file(std::string_view bytes, uint64_t offset, uint64_t& line, int64_t now_us,
                            bool final);

/// Records of the log store: {"metric": "loss", "value": 0.1, "step": 3} as the whole text of a
/// line of standard output of rank `rank` counts.
MetricScan scan_log(std::string_view records, uint64_t offset, uint32_t rank);

}  // namespace troupe::actors
