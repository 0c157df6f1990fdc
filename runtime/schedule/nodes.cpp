#include "runtime/schedule/nodes.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

namespace troupe::schedule {
namespace {

/// One node that has room, keyed by what one worker would leave over.
struct Candidate {
  Amount left;
  size_t node = 0;  // nodes are sorted by name, so this also breaks ties by name

  bool operator<(const Candidate& other) const {
    return std::tie(left.gpus, left.milli_cpus, left.mem, node) <
           std::tie(other.left.gpus, other.left.milli_cpus, other.left.mem, other.node);
  }
};

Amount minus(const Amount& a, const Amount& b) {
  return {a.milli_cpus - b.milli_cpus, a.mem - b.mem, a.gpus - b.gpus};
}

bool fits(const Amount& room, const Amount& each) {
  return each.milli_cpus <= room.milli_cpus && each.mem <= room.mem && each.gpus <= room.gpus;
}

std::vector<uint32_t> lowest_free_gpus(const Node& node, uint32_t count) {
  std::vector<uint32_t> gpus;
  for (uint32_t i = 0; i < node.spec.gpus && gpus.size() < count; ++i)
    if (!node.gpu_held[i]) gpus.push_back(i);
  return gpus;
}

}  // namespace

std::string cpus_text(int64_t milli_cpus) {
  return fmt::format("{}", static_cast<double>(milli_cpus) / 1000.0);
}

std::string to_text(const Amount& amount) {
  std::string text;
  auto add = [&](std::string part) { text += (text.empty() ? "" : ", ") + part; };
  if (amount.milli_cpus != 0)
    add(fmt::format("{} cpu{}", cpus_text(amount.milli_cpus),
                    amount.milli_cpus == 1000 ? "" : "s"));
  if (amount.mem != 0) add(bytes_text(amount.mem) + " mem");
  if (amount.gpus != 0) add(fmt::format("{} gpu{}", amount.gpus, amount.gpus == 1 ? "" : "s"));
  return text.empty() ? "nothing" : text;
}

Amount Node::free() const {
  Amount room;
  room.milli_cpus = std::max<int64_t>(0, spec.milli_cpus - used.milli_cpus);
  room.mem = spec.mem > used.mem ? spec.mem - used.mem : 0;
  // Counted by device, not by difference: a held device may lie beyond those the node now declares.
  room.gpus = spec.gpus;
  if (used.gpus != 0)
    for (uint32_t i = 0; i < spec.gpus; ++i) room.gpus -= gpu_held[i] ? 1 : 0;
  return room;
}

bool Node::has_type(std::string_view gpu_type, uint32_t gpus) const {
  return gpus == 0 || gpu_type.empty() || spec.gpu_type == gpu_type;
}

uint64_t slots(const Amount& room, const Amount& each) {
  if (!fits(room, each)) return 0;
  // A worker that asks for nothing still is a process: the limit keeps the arithmetic finite.
  uint64_t count = std::numeric_limits<uint32_t>::max();
  if (each.milli_cpus > 0)
    count = std::min(count, static_cast<uint64_t>(room.milli_cpus / each.milli_cpus));
  if (each.mem > 0) count = std::min(count, room.mem / each.mem);
  if (each.gpus > 0) count = std::min<uint64_t>(count, room.gpus / each.gpus);
  return count;
}

void Nodes::put(NodeSpec spec) {
  auto at =
      std::lower_bound(nodes_.begin(), nodes_.end(), spec.name,
                       [](const Node& node, const std::string& n) { return node.spec.name < n; });
  if (at == nodes_.end() || at->spec.name != spec.name) at = nodes_.insert(at, Node{});
  at->gpu_held.resize(std::max<size_t>(at->gpu_held.size(), spec.gpus), false);
  at->spec = std::move(spec);
}

bool Nodes::remove(std::string_view name) {
  auto* node = find_mutable(name);
  if (node == nullptr) return false;
  nodes_.erase(nodes_.begin() + (node - nodes_.data()));
  return true;
}

const Node* Nodes::find(std::string_view name) const {
  auto at =
      std::lower_bound(nodes_.begin(), nodes_.end(), name,
                       [](const Node& node, std::string_view n) { return node.spec.name < n; });
  return at != nodes_.end() && at->spec.name == name ? &*at : nullptr;
}

Node* Nodes::find_mutable(std::string_view name) {
  return const_cast<Node*>(find(name));  // NOLINT: the node is ours and this is not const
}

uint64_t Nodes::slots_free(const Request& request, uint64_t enough) const {
  uint64_t count = 0;
  for (const auto& node : nodes_) {
    if (!node.spec.accepts || !node.has_type(request.gpu_type, request.amount.gpus)) continue;
    count += slots(node.free(), request.amount);
    if (count >= enough) return enough;
  }
  return count;
}

uint64_t Nodes::slots_empty(const Request& request, bool accepting, uint64_t enough) const {
  uint64_t count = 0;
  for (const auto& node : nodes_) {
    if (accepting && !node.spec.accepts) continue;
    if (!node.has_type(request.gpu_type, request.amount.gpus)) continue;
    count += slots({node.spec.milli_cpus, node.spec.mem, node.spec.gpus}, request.amount);
    if (count >= enough) return enough;
  }
  return count;
}

std::vector<JobPlace> Nodes::place(const Request& request) {
  // Filling the best node first equals placing one worker after the other by best fit: a worker
  // leaves its node with even less over, so that node stays the best while it has room.
  std::vector<Candidate> candidates;
  uint64_t room = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (!node.spec.accepts || !node.has_type(request.gpu_type, request.amount.gpus)) continue;
    auto free = node.free();
    if (!fits(free, request.amount)) continue;
    Candidate candidate{minus(free, request.amount), i};
    room += slots(free, request.amount);
    if (request.workers_max > 1 || candidates.empty())
      candidates.push_back(candidate);
    else if (candidate < candidates.front())
      candidates.front() = candidate;
  }
  std::vector<JobPlace> places;
  if (room < request.workers_min) return places;
  std::sort(candidates.begin(), candidates.end());
  for (const auto& candidate : candidates) {
    auto& node = nodes_[candidate.node];
    auto count = slots(node.free(), request.amount);
    for (; count > 0 && places.size() < request.workers_max; --count) {
      JobPlace place{static_cast<uint32_t>(places.size()), node.spec.name,
                     lowest_free_gpus(node, request.amount.gpus)};
      hold(place, request.amount);
      places.push_back(std::move(place));
    }
    if (places.size() == request.workers_max) break;
  }
  return places;
}

void Nodes::hold(const JobPlace& place, const Amount& amount) {
  auto* node = find_mutable(place.node);
  if (node == nullptr) return;
  node->used.milli_cpus += amount.milli_cpus;
  node->used.mem += amount.mem;
  ++node->jobs;
  for (auto gpu : place.gpus) {
    if (gpu >= node->gpu_held.size()) node->gpu_held.resize(gpu + 1, false);
    if (!node->gpu_held[gpu]) ++node->used.gpus;
    node->gpu_held[gpu] = true;
  }
}

void Nodes::give_back(const JobPlace& place, const Amount& amount) {
  auto* node = find_mutable(place.node);
  if (node == nullptr) return;
  TROUPE_ASSERT(node->jobs > 0, "a job given back that no node holds");
  node->used.milli_cpus -= amount.milli_cpus;
  node->used.mem -= amount.mem;
  --node->jobs;
  for (auto gpu : place.gpus) {
    if (node->gpu_held[gpu]) --node->used.gpus;
    node->gpu_held[gpu] = false;
  }
}

}  // namespace troupe::schedule
