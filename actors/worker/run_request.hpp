// What the launcher is asked to run for one line of a job, and by which name. Pure.
#pragma once

#include "actors/worker/worker_context.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::actors {

/// The launcher's name of one phase of a job, and back.
std::string run_key(const JobKey& key, uint32_t phase);
std::optional<std::pair<JobKey, uint32_t>> parse_run_key(std::string_view text);

/// Setup is each job's own; every line of `run`, the first as well, waits for the whole gang: no
/// rank starts before all can.
bool waits_for_gang(const JobOrder& order, uint32_t phase);

/// `data`: null where it reads none. An error: the job is exclusive, and its term of the lease is
/// over.
Result<process::RunRequest> run_request(const WorkerContext& context, const JobOrder& order,
                                        const HeldData* data, uint32_t slot, uint32_t phase,
                                        const LeaseTerm& lease);

}  // namespace troupe::actors
