// Where on a machine a job goes: which GPUs, which cores and memory near them, and which network
// card is nearest to each rank. Pure and deterministic.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/topology/model.hpp"

#include <set>
#include <string>
#include <vector>

namespace troupe::topology {

/// What others have there.
struct Taken {
  Numbers cpus;             // of cores that are theirs alone
  std::set<uint32_t> gpus;  // places in Model::gpus
};

struct Wanted {
  uint32_t cpus = 0;  // hardware threads, of all ranks together
  uint32_t gpus = 0;
  std::vector<uint32_t> chosen_gpus;  // these, whatever is taken; empty: `gpus` of the idle ones
  uint32_t ranks = 1;
  Binding binding = Binding::cores;
};

struct RankPlacement {
  Numbers cpus;
  Numbers memory;               // NUMA nodes
  std::vector<uint32_t> gpus;   // places
  std::optional<uint32_t> nic;  // place
  bool operator==(const RankPlacement&) const = default;
};

struct JobPlacement {
  Numbers cpus;  // of all ranks; empty: anywhere
  Numbers memory;
  bool own = false;  // no other job is bound to these CPUs
  std::vector<uint32_t> gpus;
  std::vector<RankPlacement> ranks;
  std::string note;  // why it is not bound as it was wished; empty: it is
  bool operator==(const JobPlacement&) const = default;
};

/// exhausted where the GPUs are not there or not idle; too few cores are no error, and said in
/// `note`.
///
/// GPUs: see choose_gpus. Cores: whole ones, near the GPUs of each rank; for ranks without any,
/// NUMA nodes as a whole first, and then where the least is left over. A rank stays on one NUMA
/// node where it can.
Result<JobPlacement> place(const Model& model, const Taken& taken, const Wanted& wanted);

}  // namespace troupe::topology
