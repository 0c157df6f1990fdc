// What is asked of the scheduler and what it answers: plain values. No thread, no clock.
#pragma once

#include "runtime/core/ids.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::schedule {

/// What one worker (job) takes from its node.
struct Amount {
  int64_t milli_cpus = 0;
  uint64_t mem = 0;  // bytes; 0: nothing is reserved
  uint32_t gpus = 0;
  auto operator<=>(const Amount&) const = default;
};

/// "4 cpus, 2.0 GiB mem, 1 gpu": what is not zero.
std::string to_text(const Amount& amount);
/// "1.5" for 1500.
std::string cpus_text(int64_t milli_cpus);

struct NodeSpec {
  std::string name;
  int64_t milli_cpus = 0;
  uint64_t mem = 0;
  uint32_t gpus = 0;
  std::string gpu_type;
  std::map<std::string, std::string> labels;
  bool accepts = true;  // false: drained; what runs goes on, nothing new starts
};

/// One experiment that waits for its workers: all of `workers_min` start together or none.
struct Request {
  ExperimentId id;
  Amount amount;
  std::string gpu_type;  // empty: any
  uint32_t workers_min = 1;
  uint32_t workers_max = 1;
  int32_t priority = 50;  // higher first
  std::string user;
  std::string project;
};

struct JobPlace {
  uint32_t index = 0;
  std::string node;
  std::vector<uint32_t> gpus;  // device indices on the node
  bool operator==(const JobPlace&) const = default;
};

struct Placement {
  ExperimentId id;
  std::vector<JobPlace> jobs;
  bool operator==(const Placement&) const = default;
};

/// Why a request waits, the main reason first. `reasons` is empty where it starts in the next pass.
struct Explanation {
  bool waiting = false;
  std::vector<std::string> reasons;
  std::string starts_now_with;  // "with 2 cpus: now", or empty
};

struct NodeUse {
  NodeSpec spec;
  Amount used;
  uint32_t jobs = 0;
};

}  // namespace troupe::schedule
