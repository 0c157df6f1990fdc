// The nodes and what is held on them: fits, places and gives back. Owned by the Scheduler; no
// thread of its own.
#pragma once

#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::schedule {

struct Node {
  NodeSpec spec;
  Amount used;
  uint32_t jobs = 0;
  std::vector<bool> gpu_held;  // by device index; may be longer than spec.gpus after a node shrank

  /// Never negative: jobs adopted from a worker may hold more than the node now declares.
  Amount free() const;
  bool has_type(std::string_view gpu_type, uint32_t gpus) const;
};

/// How many workers of this amount go into that room.
uint64_t slots(const Amount& room, const Amount& each);

class Nodes {
 public:
  /// Adds the node or changes its spec; what is held on it stays.
  void put(NodeSpec spec);
  bool remove(std::string_view name);
  const Node* find(std::string_view name) const;
  /// Sorted by name.
  const std::vector<Node>& all() const { return nodes_; }

  /// How many workers fit now on nodes that accept, counted up to `enough`.
  uint64_t slots_free(const Request& request, uint64_t enough) const;
  /// How many would fit if nothing ran. `accepting`: only on nodes that accept.
  uint64_t slots_empty(const Request& request, bool accepting, uint64_t enough) const;

  /// Places as many workers as fit up to workers_max and holds their resources, or nothing where
  /// there is no room for workers_min. Best fit: nodes with the least left over first (GPUs, then
  /// CPUs, then memory, then name), each filled before the next, so a gang spans few nodes.
  std::vector<JobPlace> place(const Request& request);

  void hold(const JobPlace& place, const Amount& amount);
  void give_back(const JobPlace& place, const Amount& amount);

 private:
  Node* find_mutable(std::string_view name);

  std::vector<Node> nodes_;  // sorted by name; a vector because every placement walks it
};

}  // namespace troupe::schedule
