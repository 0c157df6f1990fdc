// What all nodes keep of experiments, asked of each. Blocks; the keeper's thread.
#pragma once

#include "actors/bulk_words.hpp"
#include "actors/head/keeper_ports.hpp"

#include <atomic>
#include <string>
#include <vector>

namespace troupe::actors {

struct NodeKept {
  api::NodeView node;
  std::string error;  // why it said nothing
  uint64_t disk_free = 0;
  /// Of workers that have one folder of outputs, all but the first are said to have none.
  std::vector<KeptUse> uses;
};
/// By name. An error where not even their names are known.
Result<std::vector<NodeKept>> ask_nodes_kept(const KeeperPorts& ports,
                                             const std::atomic<bool>& closing);

}  // namespace troupe::actors
