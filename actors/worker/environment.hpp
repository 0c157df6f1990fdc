// The environment of a job's processes: the contract of docs/reference/environment.md. Pure.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/launch/environment.hpp"
#include "runtime/wire/messages.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

/// What the worker adds to every job.
struct WorkerEnvironment {
  std::map<std::string, std::string> base;  // PATH, HOME, LANG, ... of the worker
  std::string url;                          // of the API; empty: the order says it
  std::string python;  // what jobs import `troupe` from, without installing it; empty: nothing
  std::string interface {};  // by which this node reaches the others; empty: not known
  std::string program{};     // `troupe` of this node; empty: not known
};

/// The world of a job, in the folders of its slot.
launch::World world_of(const WorkerEnvironment& worker, const WorkerPaths& paths,
                       const JobOrder& order, uint32_t slot);

/// "NAME=value" of one process. `local_rank` counts within the job; setup lines run as rank 0
/// alone. `slot` holds its folders; `resume` is the newest complete checkpoint, or empty.
std::vector<std::string> job_environment(const WorkerEnvironment& worker, const WorkerPaths& paths,
                                         const JobOrder& order, uint32_t slot, uint32_t local_rank,
                                         const std::string& resume);

/// The variables of the worker that jobs may see.
std::map<std::string, std::string> inherited_environment();
/// The folder with the Python package that belongs to this program: beside it in a build, in
/// lib/troupe of an installation. Empty where there is none.
std::string python_folder();
/// The path of this program.
std::string program_path();

}  // namespace troupe::actors
