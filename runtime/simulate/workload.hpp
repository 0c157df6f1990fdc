// What a simulation replays: nodes and the jobs that come, each with the time it will run. Read
// from our JSON lines, or from the tables of published traces. No I/O: text in, values out.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/schedule/policy.hpp"
#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::simulate {

using schedule::Time;

struct Task {
  std::string name;
  Time at{0};   // submitted
  Time run{0};  // how long it needs, undisturbed
  schedule::Request request;
};

struct Workload {
  std::vector<schedule::NodeSpec> nodes;
  std::vector<Task> tasks;  // by time of submission; of one time, in the order of the file
  std::optional<std::string> policy;
};

/// One JSON object a line; docs/guide/scheduling.md describes them. Errors name the line.
Result<Workload> read_lines(std::string_view text);

/// "64x8" (64 nodes of 8 GPUs), "64x8:V100", "16xcpus=4,mem=8GiB", several joined by "+".
Result<std::vector<schedule::NodeSpec>> read_cluster(std::string_view text);

/// The Philly job table: timestamp,duration,num_gpus,gpu_time,cluster. Each job is one worker with
/// all its GPUs. `owners`: its virtual cluster is its project; else all belong to one.
Result<Workload> read_philly(std::string_view text, bool owners = false);
/// The node and task tables of Alibaba's 2023 GPU trace (openb). Tasks without an end are left out.
Result<Workload> read_openb(std::string_view nodes, std::string_view tasks);

/// Jobs of one worker with more GPUs than any node has become several workers, as even as can be.
void split_over_nodes(Workload& workload);

/// The same tasks as one arrival after the other until they ask for `demand` times all GPUs: the
/// list, then tasks drawn from it, shuffled; nothing ever ends. By seed.
void inflate(Workload& workload, double demand, uint64_t seed);

/// Tasks `first` to `last` by time of submission, counted from 0, the last one not included; time
/// then begins with the first of them.
void keep_slice(Workload& workload, size_t first, size_t last);

}  // namespace troupe::simulate
