#include "actors/head/nodes_kept.hpp"

#include <set>

namespace troupe::actors {

namespace {

// Walking through all outputs of a node.
constexpr auto kept_timeout = std::chrono::minutes{10};
constexpr uint64_t kept_bytes_max = 64u << 20;

}  // namespace

Result<std::vector<NodeKept>> ask_nodes_kept(const KeeperPorts& ports,
                                             const std::atomic<bool>& closing) {
  auto nodes = ports.nodes();
  if (!nodes) return std::move(nodes).error();
  std::vector<NodeKept> all;
  std::set<uint64_t> places;
  for (auto& node : *nodes) {
    auto& one = all.emplace_back();
    one.node = std::move(node);
    if (!can_be_asked(one.node)) {
      one.error = "it is " + one.node.state;
      continue;
    }
    if (closing) {
      one.error = "the head is being stopped";
      continue;
    }
    auto answer = ports.ask(one.node.name, ask_kept(), kept_bytes_max, kept_timeout);
    auto uses = answer ? parse_kept(answer->bytes) : Result<std::vector<KeptUse>>{answer.error()};
    if (!uses) {
      one.error = uses.error().detail.empty() ? uses.error().what : uses.error().detail;
      continue;
    }
    one.disk_free = answer->end.size;
    one.uses = std::move(*uses);
    if (!places.insert(answer->end.next).second)
      for (auto& use : one.uses) use.files = use.outputs = use.checkpoints = 0;
  }
  return all;
}

}  // namespace troupe::actors
