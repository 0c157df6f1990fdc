// From a spec to what a node is told: resource requests for the scheduler, job orders for the
// nodes. Pure.
#pragma once

#include "runtime/core/record.hpp"
#include "runtime/schedule/scheduler.hpp"
#include "runtime/wire/messages.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

schedule::Request request_of(const ExperimentRecord& record);

/// What a node has, in the words of the scheduler.
schedule::NodeSpec node_spec_of(const NodeHello& hello, bool accepts);

/// The orders of the newest attempt, one for each of its jobs. `token` is put into each.
Result<std::vector<JobOrder>> orders_of(const ExperimentRecord& record, const std::string& token,
                                        Timestamp now);

/// TROUPE_P_<NAME>: upper case, other characters '_'.
std::string parameter_variable(std::string_view name);

}  // namespace troupe::actors
