// What the processes of a job find in their environment so that a script of any framework finds its
// world: torchrun's names, those of DeepSpeed, Horovod, JAX and TensorFlow, and, where they are
// asked for, those of Slurm and MPI. Pure: from who runs where to names and values.
#pragma once

#include "runtime/launch/ports.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::launch {

struct Host {
  std::string node;
  std::string address;      // by which the others reach it; empty: it is alone on its machine
  uint16_t first_port = 0;  // of its block
  uint32_t processes = 1;   // ranks there
};

/// One attempt, as one of its jobs sees it. Ranks are counted through the jobs in their order.
struct World {
  std::string id;       // of the experiment: "42.7"
  uint64_t number = 0;  // the same as one number, for launchers that know no others
  uint32_t attempt = 1;
  std::vector<Host> hosts;             // by job
  std::vector<std::string> roles;      // by job; empty: all are workers alike
  std::vector<std::string> contracts;  // asked for: see launch_contracts
  uint32_t job = 0;                    // whose processes are meant
  uint32_t gpus = 0;                   // of that job
  uint32_t cpus = 1;                   // of each process
  std::string interface;               // by which this node reaches the others; empty: not known
  std::string hostfile;                // where hostfile_text() lies

  uint32_t size() const { return ranks_before(static_cast<uint32_t>(hosts.size())); }
  /// Ranks of the jobs before that one.
  uint32_t ranks_before(uint32_t job) const;
  uint32_t processes() const { return hosts[job].processes; }
  bool has(std::string_view contract) const;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

struct Environment {
  Variables fixed;   // what it is called by: a spec cannot change them
  Variables advice;  // what a spec says instead wins
};

/// Of the process with that number within its job.
Environment environment_of(const World& world, uint32_t process);

/// What the process with that number runs: scripts made for DeepSpeed's launcher or an early
/// torch.distributed.launch are told their place on the node as an argument, where that contract is
/// asked for. It stands last; of a line for the shell, in its last command.
std::vector<std::string> rank_argv(std::vector<std::string> argv,
                                   const std::vector<std::string>& contracts, uint32_t process);

/// `address slots=n`, a line a job.
std::string hostfile_text(const World& world);

/// TF_CONFIG: all tasks by role, and which of them this is. Without roles the first rank is the
/// chief and the others are workers. Empty for a single process without a role.
std::string tf_config(const World& world, uint32_t process);

}  // namespace troupe::launch
