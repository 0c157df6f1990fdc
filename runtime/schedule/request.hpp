// What is asked of the scheduler and what it answers: plain values. No thread, no clock.
#pragma once

#include "runtime/core/ids.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::schedule {

inline constexpr uint32_t whole_gpu = 1000;

/// Points and spans of time, since whatever the caller counts from. The scheduler has no clock.
using Time = std::chrono::milliseconds;

/// What one worker (job) takes from its node.
struct Amount {
  int64_t milli_cpus = 0;
  uint64_t mem = 0;  // bytes; 0: nothing is reserved
  uint32_t gpus = 0;
  uint32_t gpu_share =
      whole_gpu;  // of each of its GPUs, in thousandths; below 1000 others share it
  auto operator<=>(const Amount&) const = default;

  bool shares() const { return gpus != 0 && gpu_share < whole_gpu; }
};

/// "4 cpus, 2.0 GiB mem, 1 gpu": what is not zero.
std::string to_text(const Amount& amount);
/// "1.5" for 1500.
std::string cpus_text(int64_t milli_cpus);

/// Whether a device of that name is what was asked for: "H100" and "h100 80gb" are found in "NVIDIA
/// H100 80GB HBM3", "A100" is not found in "RTX A1000". Upper and lower case are the same.
bool is_gpu_type(std::string_view device, std::string_view asked);

struct NodeSpec {
  std::string name;
  int64_t milli_cpus = 0;
  uint64_t mem = 0;
  uint32_t gpus = 0;
  std::string gpu_type;
  std::map<std::string, std::string> labels;
  bool accepts = true;               // false: drained; what runs goes on, nothing new starts
  uint64_t gpu_mem = 0;              // bytes of each of its GPUs; 0: not known
  std::set<uint32_t> gpus_closed{};  // devices that nobody gets any more
  std::vector<uint32_t> gpu_near{};  // of each pair, row by row; higher is nearer; empty: not known
};

/// A dataset version that each worker reads.
struct DataNeed {
  std::string digest;
  std::string source;  // for words: "digits:3"
  uint64_t bytes = 0;
  auto operator<=>(const DataNeed&) const = default;
};

/// Those workers of a gang that need the same.
struct Group {
  std::string role;
  uint32_t count = 1;
  Amount amount;
  std::string gpu_type;
  uint64_t gpu_mem = 0;
  std::map<std::string, std::string> labels;
  auto operator<=>(const Group&) const = default;
};

/// One experiment that waits for its workers: all of `workers_min` start together or none.
struct Request {
  ExperimentId id;
  Amount amount;
  std::string gpu_type;  // see is_gpu_type; empty: any
  uint64_t gpu_mem = 0;  // bytes that each GPU has at least; 0: any
  uint32_t workers_min = 1;
  uint32_t workers_max = 1;
  Time resize_after = std::chrono::minutes{10};  // of a range: see Scheduler::checkpointed
  std::vector<std::string> nodes_before{};       // of its last attempt, by worker
  int32_t priority = 50;                         // higher first
  std::string user;
  std::string project;
  std::map<std::string, std::string> labels;  // a node must have all of them
  Time limit{0};                              // it ends after so long; 0: nobody knows
  bool preemptible = true;
  uint64_t service = 0;  // what it has received in earlier attempts; Policy says in what unit
  std::vector<DataNeed> data;
  uint64_t ranged = 0;  // INTERNAL: its set, where not all members are sure of a place
  /// Where not all workers need the same: who needs what, in the order of the workers. Then there
  /// are as many of them as the groups say, and amount, gpu_type, gpu_mem and labels say nothing.
  std::vector<Group> groups{};

  const Amount& amount_at(uint32_t worker) const;
  /// The workers of one group, as if they were a request of their own.
  Request part(const Group& group) const;
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

/// A running experiment that is to stop, so that another can start, or it itself with other
/// workers. Its resources come back with release(); it waits again once it is enqueued again, in
/// its old place and with its service.
struct Preemption {
  ExperimentId id;
  ExperimentId in_favour_of;
  std::string cause;  // in words, for its record
  bool operator==(const Preemption&) const = default;
};

struct Decision {
  std::vector<Placement> starts;
  std::vector<Preemption> preemptions;
  std::optional<Time> wake;  // decide again then at the latest: time alone changes the answer
};

/// Why a request waits, the main reason first. `reasons` is empty where it starts in the next pass.
struct Explanation {
  bool waiting = false;
  std::vector<std::string> reasons;
  std::string starts_now_with;         // "with 2 cpus: now", or empty
  std::optional<Time> expected_start;  // by then at the latest; none where nobody can know
  std::vector<std::string> data;       // what it reads, where that lies, and what must travel
};

/// Where one that waits will most likely start.
struct Forecast {
  ExperimentId id;
  std::vector<std::string> nodes;  // one for each of workers_min, none twice
  std::vector<DataNeed> data;
};

struct NodeUse {
  NodeSpec spec;
  Amount used;
  uint32_t jobs = 0;
  std::vector<ExperimentId> experiments;  // that have jobs here, in order
};

}  // namespace troupe::schedule
