// How much of a node's idle GPUs is of no use to the requests that typically come: "fragments", the
// measure of "Beware of Fragmentation" (USENIX ATC '23). Placing where it grows least keeps room
// for what comes next. Pure; owned by Nodes.
#pragma once

#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::schedule {

struct Node;

class Fragmentation {
 public:
  /// Counts a request among those that come.
  void expect(const Request& request);

  /// Where on this node one worker would best go: a higher score is better, then less idle room.
  struct Choice {
    int score = 0;
    uint64_t idle = 0;    // of the node before, GPUs and CPUs in thousandths of a GPU
    uint32_t device = 0;  // for a part of a GPU
  };
  /// None where it does not fit. Remembered by node and shape until the node changes.
  /// `remembered` comes from remembered().
  struct Remembered {
    std::vector<bool> known;
    std::vector<std::optional<Choice>> choices;  // by node
  };
  const std::optional<Choice>& choose(const Node& node, size_t index, const Request& request,
                                      Remembered& remembered);
  /// What is remembered for requests like this one; until the next call of expect() or forget().
  Remembered& remembered(const Request& request, size_t nodes);
  /// The room of this node is another now.
  void changed(size_t index);
  /// Nodes were renumbered.
  void forget();

 private:
  struct Shape {
    int64_t milli_cpus = 0;
    uint32_t gpus = 0;
    uint32_t share = whole_gpu;
    std::string gpu_type;
    uint64_t gpu_mem = 0;
    auto operator<=>(const Shape&) const = default;
  };
  struct Typical {
    Shape shape;
    double weight = 0;
  };
  struct Room {
    int64_t milli_cpus = 0;
    const NodeSpec* node = nullptr;
    std::vector<uint32_t> idle;  // by device
  };

  void settle();
  double fragments(const Room& room) const;
  std::optional<Choice> compute(const Node& node, const Request& request);

  std::map<Shape, uint64_t> counts_;
  uint64_t counted_ = 0;
  uint64_t settled_ = 0;  // how many were counted when typical_ was made
  std::vector<Typical> typical_;
  using Asked = std::tuple<Amount, std::string, uint64_t, std::map<std::string, std::string>>;
  std::map<Asked, Remembered> remembered_;
};

}  // namespace troupe::schedule
