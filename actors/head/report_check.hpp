// Whether a worker may say what it says of a job. Its certificate proves its name, not its honesty:
// a job is spoken for by the node it was placed on, in the attempt that was placed there, with
// numbers that an honest worker could send. Pure.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/record.hpp"
#include "runtime/core/result.hpp"
#include "runtime/wire/messages.hpp"

#include <string>

namespace troupe::actors {

enum class Standing {
  current,  // it is the node's, and of the newest attempt
  stale,    // of an older attempt: late, but no lie
  foreign,  // never given to that node
};

Standing standing_of(const ExperimentRecord& record, const JobKey& key, const std::string& node);

/// refused where no honest worker sends such.
Result<void> check_plausible(const JobUpdate& update);
Result<void> check_plausible(const MetricBatch& batch);
Result<void> check_plausible(const CacheReport& report);
Result<void> check_plausible(const GpuReport& report);
/// Of its machine alone; its jobs are looked at one by one.
Result<void> check_plausible(const NodeHello& hello);

}  // namespace troupe::actors
