// Where a worker keeps things. One folder a job below `jobs`, named by experiment and job, so that
// attempts share logs:
//
//   <dir>/jobs/42.7.worker.0/{order, token, log/, work/, scratch/, metrics.jsonl, stop}
//   <dir>/no-data/                    the data root of jobs that mount nothing
//   <outputs>/42.7/{..., checkpoints/}
#pragma once

#include "runtime/core/ids.hpp"

#include <string>

namespace troupe::actors {

struct WorkerPaths {
  std::string dir;
  std::string outputs;

  std::string jobs() const { return dir + "/jobs"; }
  std::string job(const JobId& id) const { return jobs() + "/" + to_string(id); }
  std::string order(const JobId& id) const { return job(id) + "/order"; }
  std::string log(const JobId& id) const { return job(id) + "/log"; }
  std::string work(const JobId& id) const { return job(id) + "/work"; }
  std::string scratch(const JobId& id) const { return job(id) + "/scratch"; }
  std::string no_data() const { return dir + "/no-data"; }
  std::string token(const JobId& id) const { return job(id) + "/token"; }
  std::string metrics(const JobId& id) const { return job(id) + "/metrics.jsonl"; }
  std::string stop_file(const JobId& id) const { return job(id) + "/stop"; }
  std::string output(ExperimentId id) const { return outputs + "/" + to_string(id); }
};

}  // namespace troupe::actors
