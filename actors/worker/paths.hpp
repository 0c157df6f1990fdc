// Where a worker keeps things. What a job needs while it runs lies in a numbered slot, which later
// jobs use again; what outlives it lies under its own name:
//
//   <dir>/slots/3/                    {order, token, hostfile, work/, scratch/, data/, overlay/,
//                                     metrics.jsonl, pace, stop}
//   <dir>/cache/<digest>/             sealed dataset versions; trees/<method>/<digest>/ shows
//                                     their files
//   <dir>/logs/42.7.worker.0/         attempts share it; made with the first line
//   <dir>/hostfile                    of jobs that are one process
//   <dir>/no-data/                    the data root of jobs that mount nothing
//   <dir>/trash/                      on its way out
//   <outputs>/42.7/{..., checkpoints/}
//   <outputs>/.spare/<worker>/5/{checkpoints/}   empty ones, for the next job
#pragma once

#include "runtime/core/ids.hpp"

#include <string>

namespace troupe::actors {

struct WorkerPaths {
  std::string dir;
  std::string outputs;
  bool outputs_are_shared = false;  // with other machines: then nothing below is used again

  std::string slots() const { return dir + "/slots"; }
  std::string slot(uint32_t number) const { return slots() + "/" + std::to_string(number); }
  std::string order(uint32_t number) const { return slot(number) + "/order"; }
  std::string token(uint32_t number) const { return slot(number) + "/token"; }
  std::string work(uint32_t number) const { return slot(number) + "/work"; }
  std::string scratch(uint32_t number) const { return slot(number) + "/scratch"; }
  std::string metrics(uint32_t number) const { return slot(number) + "/metrics.jsonl"; }
  std::string pace(uint32_t number) const { return slot(number) + "/pace"; }
  std::string stop_file(uint32_t number) const { return slot(number) + "/stop"; }
  std::string log(const JobId& id) const { return dir + "/logs/" + to_string(id); }
  std::string data(uint32_t number) const { return slot(number) + "/data"; }
  std::string overlay(uint32_t number) const { return slot(number) + "/overlay"; }
  std::string cache() const { return dir + "/cache"; }
  std::string trees() const { return dir + "/trees"; }
  std::string hostfile(uint32_t number) const { return slot(number) + "/hostfile"; }
  std::string lone_hostfile() const { return dir + "/hostfile"; }  // of jobs of one process
  std::string no_data() const { return dir + "/no-data"; }
  std::string trash() const { return dir + "/trash"; }
  std::string output(ExperimentId id) const { return outputs + "/" + to_string(id); }
  std::string checkpoints(ExperimentId id) const { return output(id) + "/checkpoints"; }
  std::string spares(const std::string& worker) const { return outputs + "/.spare/" + worker; }
};

}  // namespace troupe::actors
