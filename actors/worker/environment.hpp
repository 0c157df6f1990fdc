// The environment of a job's processes: the contract of docs/reference/environment.md. Pure.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/wire/messages.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

/// What the worker adds to every job.
struct WorkerEnvironment {
  std::map<std::string, std::string> base;  // PATH, HOME, LANG, ... of the worker
  std::string url;                          // of the API; empty: the order says it
};

/// "NAME=value" of one process. `local_rank` counts within the job; setup lines run as rank 0
/// alone. `slot` holds its folders; `resume` is the newest complete checkpoint, or empty.
std::vector<std::string> job_environment(const WorkerEnvironment& worker, const WorkerPaths& paths,
                                         const JobOrder& order, uint32_t slot, uint32_t local_rank,
                                         const std::string& resume);

/// The variables of the worker that jobs may see.
std::map<std::string, std::string> inherited_environment();

}  // namespace troupe::actors
