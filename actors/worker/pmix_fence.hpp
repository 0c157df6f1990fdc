// A fence of PMIx over the nodes of a job: each tells what its ranks have put, and takes what the
// others have told. Owned by one thread.
#pragma once

#include "actors/worker/pmix_server.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace troupe::actors {

class PmixFence {
 public:
  /// `key` names this fence among those of the line, the same on all nodes; `nodes` are those that
  /// take part.
  PmixFence(std::string key, std::vector<uint32_t> nodes, std::string own);

  /// Whether all have told. An error: the store cannot be reached now, which may pass.
  Result<bool> step(const PmixWorld& world);
  /// What all have told, one behind the other.
  const std::string& all() const { return all_; }

 private:
  std::string key_;
  std::vector<uint32_t> nodes_;
  std::string own_, all_;
  bool told_ = false;
  size_t next_ = 0;  // of `nodes_`, to be asked
};

}  // namespace troupe::actors
