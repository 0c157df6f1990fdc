#include "runtime/schedule/nodes.hpp"

#include "runtime/core/assert.hpp"

#include <algorithm>
#include <tuple>

namespace troupe::schedule {
namespace {

Amount whole(const NodeSpec& spec) {
  return {spec.milli_cpus, spec.mem, spec.gpus};
}

void add(Amount& sum, const Amount& amount, bool minus) {
  if (minus) {
    sum.milli_cpus -= amount.milli_cpus;
    sum.mem -= amount.mem;
    sum.gpus -= amount.gpus;
  } else {
    sum.milli_cpus += amount.milli_cpus;
    sum.mem += amount.mem;
    sum.gpus += amount.gpus;
  }
}

}  // namespace

Nodes::Key Nodes::key_of(const Node& node, size_t index) {
  auto open = node.open();
  return {open.gpus, open.milli_cpus, open.mem, index};
}

void Nodes::reindex() {
  groups_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].spec.accepts) groups_[nodes_[i].spec.gpu_type].insert(key_of(nodes_[i], i));
  if (fragments_) fragments_->forget();
}

Nodes::Group::node_type Nodes::take_key(size_t index) {
  const auto& node = nodes_[index];
  if (!node.spec.accepts) return {};
  return groups_[node.spec.gpu_type].extract(key_of(node, index));
}

void Nodes::put_key(size_t index, Group::node_type handle) {
  const auto& node = nodes_[index];
  if (fragments_) fragments_->changed(index);
  if (handle.empty()) return;
  handle.value() = key_of(node, index);
  groups_[node.spec.gpu_type].insert(std::move(handle));
}

template <class Change>
void Nodes::change(std::string_view name, Change what) {
  auto index = index_of(name);
  if (index == nodes_.size()) return;
  auto key = take_key(index);
  what(nodes_[index]);
  put_key(index, std::move(key));
}

void Nodes::put(NodeSpec spec) {
  auto at =
      std::lower_bound(nodes_.begin(), nodes_.end(), spec.name,
                       [](const Node& node, const std::string& n) { return node.spec.name < n; });
  bool last = at == nodes_.end();  // then no other is renumbered
  if (last || at->spec.name != spec.name) at = nodes_.insert(at, Node{});
  at->gpu_used.resize(std::max<size_t>(at->gpu_used.size(), spec.gpus), 0);
  at->spec = std::move(spec);
  at->gpus_free = 0;
  for (uint32_t gpu = 0; gpu < at->spec.gpus; ++gpu) at->gpus_free += at->idle(gpu) ? 1 : 0;
  if (!last) return reindex();
  auto index = nodes_.size() - 1;
  if (at->spec.accepts) groups_[at->spec.gpu_type].insert(key_of(*at, index));
}

void Nodes::put_data(std::string_view name, std::map<std::string, uint64_t> data) {
  if (auto index = index_of(name); index < nodes_.size()) nodes_[index].data = std::move(data);
}

bool Nodes::remove(std::string_view name) {
  auto index = index_of(name);
  if (index == nodes_.size()) return false;
  nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(index));
  reindex();
  return true;
}

size_t Nodes::index_of(std::string_view name) const {
  auto at =
      std::lower_bound(nodes_.begin(), nodes_.end(), name,
                       [](const Node& node, std::string_view n) { return node.spec.name < n; });
  return at != nodes_.end() && at->spec.name == name ? static_cast<size_t>(at - nodes_.begin())
                                                     : nodes_.size();
}

const Node* Nodes::find(std::string_view name) const {
  auto index = index_of(name);
  return index == nodes_.size() ? nullptr : &nodes_[index];
}

/// Calls what(index) for the nodes where one worker fits, those with the least left over first in
/// each group, until it answers false. A group has one type of GPUs and only nodes that accept.
template <class Visit>
void Nodes::visit(const Request& request, Visit what) const {
  const auto& each = request.amount;
  auto suits = [&](const Node& node) {
    return (each.gpus == 0 || node.spec.gpu_mem >= request.gpu_mem) &&
           node.has_labels(request.labels);
  };
  for (const auto& [type, group] : groups_) {
    if (each.gpus != 0 && !request.gpu_type.empty() && !is_gpu_type(type, request.gpu_type))
      continue;
    auto at = group.lower_bound({each.gpus, each.milli_cpus, each.mem, 0});
    while (at != group.end()) {
      const auto& [gpus, cpus, mem, index] = *at;
      if (cpus < each.milli_cpus) {  // on to those of as many GPUs that have the CPUs
        at = group.lower_bound({gpus, each.milli_cpus, each.mem, 0});
        continue;
      }
      if (mem >= each.mem && suits(nodes_[index]) && !what(index)) break;
      ++at;
    }
  }
}

uint64_t Nodes::slots_free(const Request& request, uint64_t enough) const {
  uint64_t count = 0;
  if (request.amount.shares()) {
    for (const auto& node : nodes_)
      if (node.usable(request) && count < enough) count += room_for(node, request);
    return std::min(count, enough);
  }
  visit(request, [&](size_t index) {
    count += slots(nodes_[index].open(), request.amount);
    return count < enough;
  });
  return std::min(count, enough);
}

uint64_t Nodes::slots_empty(const Request& request, bool accepting, uint64_t enough) const {
  uint64_t count = 0;
  for (const auto& node : nodes_) {
    if (accepting && !node.spec.accepts) continue;
    if (!node.has_gpus_for(request) || !node.has_labels(request.labels)) continue;
    count += slots_of_wholes(whole(node.spec), request.amount);
    if (count >= enough) return enough;
  }
  return count;
}

/// Nodes with room, best fit first, as many as workers_max can need.
std::vector<size_t> Nodes::candidates(const Request& request) const {
  std::vector<size_t> found;
  uint64_t room = 0;
  const std::string* group = nullptr;
  bool mixed = false;
  visit(request, [&](size_t index) {
    const auto& type = nodes_[index].spec.gpu_type;
    if (group != nullptr && *group != type) room = 0, mixed = true;
    group = &type;
    found.push_back(index);
    room += slots(nodes_[index].open(), request.amount);
    return room < request.workers_max;
  });
  if (mixed)
    std::sort(found.begin(), found.end(),
              [&](size_t a, size_t b) { return key_of(nodes_[a], a) < key_of(nodes_[b], b); });
  return found;
}

/// The same for whoever reads datasets, or spans nodes some of which drift: of nodes with as many
/// GPUs open, first those that do not, then those that lack the fewest bytes.
std::vector<size_t> Nodes::candidates_by_fitness(const Request& request) const {
  std::vector<std::tuple<uint32_t, bool, uint64_t, Key>> found;
  visit(request, [&](size_t index) {
    const auto& node = nodes_[index];
    found.emplace_back(node.open().gpus, avoids(node, request), node.missing(request.data),
                       key_of(node, index));
    return true;
  });
  std::sort(found.begin(), found.end());
  std::vector<size_t> indices;
  for (const auto& [gpus, avoided, missing, key] : found) indices.push_back(std::get<3>(key));
  return indices;
}

void Nodes::hold(const JobPlace& place, const Amount& amount) {
  change(place.node, [&](Node& node) {
    node.used.milli_cpus += amount.milli_cpus;
    node.used.mem += amount.mem;
    ++node.jobs;
    for (auto gpu : place.gpus) {
      if (gpu >= node.gpu_used.size()) node.gpu_used.resize(gpu + 1, 0);
      if (node.gpu_used[gpu] == 0) {
        ++node.used.gpus;
        if (node.lends(gpu)) --node.gpus_free;
      }
      node.gpu_used[gpu] += amount.gpu_share;
    }
  });
}

void Nodes::give_back(const JobPlace& place, const Amount& amount) {
  change(place.node, [&](Node& node) {
    TROUPE_ASSERT(node.jobs > 0, "a job given back that no node holds");
    node.used.milli_cpus -= amount.milli_cpus;
    node.used.mem -= amount.mem;
    --node.jobs;
    for (auto gpu : place.gpus) {
      node.gpu_used[gpu] -= amount.gpu_share;
      if (node.gpu_used[gpu] != 0) continue;
      --node.used.gpus;
      if (node.lends(gpu)) ++node.gpus_free;
    }
  });
}

void Nodes::promise(std::string_view name, const Amount& amount, bool take_back) {
  change(name, [&](Node& node) { add(node.promised, amount, take_back); });
}

void Nodes::leave(std::string_view name, const Amount& amount, bool take_back) {
  change(name, [&](Node& node) { add(node.leaving, amount, take_back); });
}

}  // namespace troupe::schedule
