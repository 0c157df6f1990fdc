// What those who look after disks need of the rest of the head. Each call blocks until there is an
// answer or the head is being stopped; the keeper's thread, and threads that it waits for.
#pragma once

#include "client/api/service.hpp"
#include "runtime/cluster/bulk.hpp"
#include "storage/ledger.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace troupe::actors {

struct KeeperPorts {
  std::function<Result<std::vector<api::NodeView>>()> nodes;
  std::function<Result<cluster::BulkAnswer>(const std::string& node, cluster::BulkRequest request,
                                            uint64_t bytes_max, std::chrono::milliseconds limit)>
      ask;
  /// Durable when it returns.
  std::function<Result<void>(std::vector<storage::Mutation>)> commit;
  /// The version of the outputs of an experiment, for this cause. conflict where something needs
  /// it.
  std::function<Result<void>(ExperimentId id, const std::string& cause)> forget;
  /// Lets a node fetch a version. An empty digest: it looks only for what it has to remove.
  std::function<void(const std::string& digest, const std::string& node)> bring;
};

/// Whether it answers questions: nodes that are lost or have never said hello do not.
inline bool can_be_asked(const api::NodeView& node) {
  return node.state == "up" || node.state == "drained";
}

}  // namespace troupe::actors
