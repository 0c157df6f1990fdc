// What the processes of an experiment would find in their environment, without running it. Pure:
// where it would run is not known, so nodes, addresses, ports and folders are examples.
#pragma once

#include "runtime/core/spec.hpp"

#include <map>

namespace troupe::actors {

struct ForeseenRank {
  uint32_t rank = 0;
  std::string job;   // "worker.0"
  std::string node;  // "node-0"
  std::map<std::string, std::string> env;
  std::string argument;  // at the end of its command, beside the others' of its world; mostly none
};

/// Of all ranks, in their order; of a range of workers, the least that it would start with.
Result<std::vector<ForeseenRank>> foreseen_ranks(const ExperimentSpec& spec);

}  // namespace troupe::actors
