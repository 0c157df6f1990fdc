// PMIx for the processes of one line of a job on one node, as Open MPI and its relatives find each
// other. The server is a process of the job itself, so that a library with threads and plugins of
// its own is nowhere in the worker; it ends with the last of the ranks it serves. What ranks of
// different nodes have to tell each other goes through the store that the worker of the first job
// serves.
//
//   rank 0 of the node: `troupe pmix-rank` --fork--> server
//   each rank:          `troupe pmix-rank` --asks--> server --variables--> becomes the command
#pragma once

#include "gpu/comm/socket.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// The world of that line, as the server is told of it.
struct PmixWorld {
  std::string name;                     // the same on all nodes, and of this line alone
  std::string pmi;                      // of the worker's PMI: where begun ranks are counted
  std::vector<std::string> hosts;       // by node
  uint32_t node = 0;                    // which of them is this one
  uint32_t processes = 1;               // on each
  std::optional<comm::Endpoint> store;  // none where there is one node
  std::string secret;                   // of the store
  std::string folder;                   // for the files of PMIx

  uint32_t size() const { return static_cast<uint32_t>(hosts.size()) * processes; }
  uint32_t first_rank() const { return node * processes; }
};

/// Serves those who connect until the last of them has ended; never throws, never comes back
/// before. What goes wrong is told to each of them.
void serve_pmix(const PmixWorld& world, UniqueFd listener);

/// What `troupe pmix-rank PMI WORLD STORE -- CMD` does: never comes back but with the reason why
/// not. STORE: "host:port", or "-" where there is one node.
Error become_pmix_rank(const std::string& pmi, const std::string& name, const std::string& store,
                       const std::vector<std::string>& command);

}  // namespace troupe::actors
