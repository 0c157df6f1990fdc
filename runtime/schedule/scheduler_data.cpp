// What requests read: where that lies, where they will most likely start, and the words for both.
#include "runtime/core/units.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace troupe::schedule {

namespace {

// Shapes in the queue: what stands behind so many others may change a lot before its turn.
constexpr size_t looked_max = 256;

}  // namespace

void Scheduler::put_data(std::string_view node, std::map<std::string, uint64_t> data) {
  nodes_.put_data(node, std::move(data));
}

std::vector<std::string> Scheduler::data_waited_for() const {
  std::set<std::string> digests;
  auto add = [&](const Request& request) {
    for (const auto& need : request.data) digests.insert(need.digest);
  };
  for (const auto& [id, promise] : promises_) add(promise.request);
  for (const auto& request : queue_.fronts(looked_max)) add(request);
  return {digests.begin(), digests.end()};
}

/// Where room for it comes first, as far as limits and slices say that; else where the fewest bytes
/// are missing.
std::vector<std::string> Scheduler::likely_nodes(const Request& request, const Class& rank) const {
  std::vector<std::string> names;
  auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  if (auto reservation = reserve(request, rank)) {
    for (const auto& node : reservation->nodes) add(node);
    return names;
  }
  if (!request.groups.empty()) {
    for (const auto& group : request.groups)
      for (const auto& name : likely_nodes(request.part(group), rank)) add(name);
    return names;
  }
  std::vector<std::tuple<uint64_t, std::string, uint64_t>> possible;
  for (const auto& node : nodes_.all()) {
    if (!node.usable(request)) continue;
    Amount all{node.spec.milli_cpus, node.spec.mem, node.spec.gpus};
    if (auto workers = slots(all, request.amount); workers > 0)
      possible.emplace_back(node.missing(request.data), node.spec.name, workers);
  }
  std::sort(possible.begin(), possible.end());
  uint64_t placed = 0;
  for (const auto& [missing, name, workers] : possible) {
    if (placed >= request.workers_min) break;
    add(name);
    placed += workers;
  }
  return names;
}

std::vector<Forecast> Scheduler::forecasts(size_t count) const {
  std::vector<Forecast> out;
  for (const auto& [id, promise] : promises_)
    if (!promise.request.data.empty() && out.size() < count) {
      auto nodes = promise.nodes;
      std::sort(nodes.begin(), nodes.end());
      nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
      out.push_back({id, std::move(nodes), promise.request.data});
    }
  for (const auto& request : queue_.fronts(looked_max)) {
    if (out.size() >= count) break;
    if (request.data.empty()) continue;
    out.push_back({request.id, likely_nodes(request, *queue_.rank_of(request.id)), request.data});
  }
  return out;
}

void Scheduler::explain_data(const Request& request, Explanation& out) const {
  if (request.data.empty() || nodes_.all().empty()) return;
  constexpr size_t shown = 4;
  for (const auto& need : request.data) {
    std::string names;
    size_t count = 0;
    for (const auto& node : nodes_.all())
      if (node.missing({need}) == 0 && ++count <= shown)
        names += (names.empty() ? "" : ", ") + node.spec.name;
    if (count > shown) names += fmt::format(" and {} more", count - shown);
    out.data.push_back(fmt::format("reads {} ({}), which is on {}", need.source,
                                   bytes_text(need.bytes), count == 0 ? "no node yet" : names));
  }
  const auto* rank = queue_.rank_of(request.id);
  auto promised = promises_.find(request.id);
  auto likely = promised != promises_.end() ? promised->second.nodes
                : rank != nullptr           ? likely_nodes(request, *rank)
                                            : std::vector<std::string>{};
  std::sort(likely.begin(), likely.end());
  likely.erase(std::unique(likely.begin(), likely.end()), likely.end());
  for (const auto& name : likely) {
    const auto* node = nodes_.find(name);
    if (node == nullptr) continue;
    auto missing = node->missing(request.data);
    out.data.push_back(
        missing == 0
            ? fmt::format("on node {}, where it will most likely start, nothing is missing", name)
            : fmt::format("{} must travel to node {}, where it will most likely start",
                          bytes_text(missing), name));
    if (out.data.size() >= request.data.size() + shown) break;
  }
}

}  // namespace troupe::schedule
