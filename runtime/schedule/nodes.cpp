#include "runtime/schedule/nodes.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/units.hpp"
#include "runtime/topology/choose_gpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>
#include <tuple>

namespace troupe::schedule {
namespace {

Amount whole(const NodeSpec& spec) {
  return {spec.milli_cpus, spec.mem, spec.gpus};
}

/// The device that would have least left over after giving away this part; none where no device has
/// it.
std::optional<uint32_t> device_for_part(const Node& node, uint32_t share) {
  std::optional<uint32_t> best;
  for (uint32_t i = 0; i < node.spec.gpus; ++i)
    if (node.lends(i) && node.gpu_used[i] + share <= whole_gpu &&
        (!best || node.gpu_used[i] > node.gpu_used[*best]))
      best = i;
  return best;
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

bool is_gpu_type(std::string_view device, std::string_view asked) {
  if (asked.empty() || device == asked) return true;
  auto lower = [](unsigned char c) { return std::tolower(c); };
  auto same = [&](char a, char b) { return lower(a) == lower(b); };
  auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  auto from = device.begin();
  while (true) {
    auto at = std::search(from, device.end(), asked.begin(), asked.end(), same);
    if (at == device.end()) return false;
    auto end = at + static_cast<std::ptrdiff_t>(asked.size());
    bool begins = at == device.begin() || !in_word(*(at - 1)) || !in_word(*at);
    if (begins && (end == device.end() || !in_word(*end) || !in_word(*(end - 1)))) return true;
    from = at + 1;
  }
}

bool fits(const Amount& room, const Amount& each) {
  return each.milli_cpus <= room.milli_cpus && each.mem <= room.mem && each.gpus <= room.gpus;
}

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
  if (amount.shares())
    add(fmt::format("{} of a gpu", static_cast<double>(amount.gpu_share) / whole_gpu));
  else if (amount.gpus != 0)
    add(fmt::format("{} gpu{}", amount.gpus, amount.gpus == 1 ? "" : "s"));
  return text.empty() ? "nothing" : text;
}

Amount Node::free() const {
  Amount room;
  room.milli_cpus = std::max<int64_t>(0, spec.milli_cpus - used.milli_cpus);
  room.mem = spec.mem > used.mem ? spec.mem - used.mem : 0;
  // Counted by device, not by difference: a held device may lie beyond those the node now declares.
  room.gpus = gpus_free;
  return room;
}

Amount Node::open() const {
  auto room = free();
  auto less = [](auto have, auto leaves, auto wanted) {
    auto all = have + leaves;
    return std::min(have, all > wanted ? all - wanted : 0);
  };
  room.milli_cpus = less(room.milli_cpus, leaving.milli_cpus, promised.milli_cpus);
  room.mem = less(room.mem, leaving.mem, promised.mem);
  room.gpus = less(room.gpus, leaving.gpus, promised.gpus);
  return room;
}

std::vector<uint32_t> Node::best_gpus(uint32_t count) const {
  std::vector<uint32_t> gpus;
  for (uint32_t i = 0; i < spec.gpus; ++i)
    if (idle(i)) gpus.push_back(i);
  return topology::choose_gpus(spec.gpu_near, spec.gpus, gpus, count);
}

bool Node::has_gpus_for(const Request& request) const {
  if (request.amount.gpus == 0) return true;
  return (request.gpu_type.empty() || is_gpu_type(spec.gpu_type, request.gpu_type)) &&
         spec.gpu_mem >= request.gpu_mem;
}

bool Node::has_labels(const std::map<std::string, std::string>& labels) const {
  return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
    auto at = spec.labels.find(label.first);
    return at != spec.labels.end() && at->second == label.second;
  });
}

bool Node::usable(const Request& request) const {
  return spec.accepts && has_gpus_for(request) && has_labels(request.labels);
}

uint64_t Node::missing(const std::vector<DataNeed>& needs) const {
  uint64_t sum = 0;
  for (const auto& need : needs) {
    auto at = data.find(need.digest);
    sum += need.bytes - (at == data.end() ? 0 : std::min(need.bytes, at->second));
  }
  return sum;
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

uint64_t Nodes::room_for(const Node& node, const Request& request) const {
  auto open = node.open();
  if (!request.amount.shares()) return slots(open, request.amount);
  uint64_t parts = 0;
  for (uint32_t i = 0; i < node.spec.gpus; ++i)
    if (node.lends(i) && node.gpu_used[i] < whole_gpu)
      parts += (whole_gpu - node.gpu_used[i]) / request.amount.gpu_share;
  auto rest = request.amount;
  rest.gpus = 0;
  return std::min(parts, slots(open, rest));
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

/// Who runs on one node alone has no use for its links.
bool Nodes::avoids(const Node& node, const Request& request) const {
  return request.workers_max > 1 && drift_.contains(node.spec.name);
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

JobPlace Nodes::take(size_t index, const Request& request, uint32_t number) {
  const auto& node = nodes_[index];
  JobPlace place{number, node.spec.name, {}};
  if (request.amount.shares()) {
    if (auto device = device_for_part(node, request.amount.gpu_share)) place.gpus = {*device};
  } else {
    place.gpus = node.best_gpus(request.amount.gpus);
  }
  hold(place, request.amount);
  return place;
}

std::vector<JobPlace> Nodes::place(const Request& request) {
  if (!request.groups.empty()) return place_groups(request);
  if (fragments_) return place_scored(request);
  if (request.amount.shares()) return place_part(request);
  // Filling the best node first equals placing one worker after the other by best fit: a worker
  // leaves its node with even less over, so that node stays the best while it has room.
  std::vector<JobPlace> places;
  bool any = request.data.empty() && (drift_.empty() || request.workers_max == 1);
  auto found = any ? candidates(request) : candidates_by_fitness(request);
  uint64_t room = 0;
  for (auto index : found) room += slots(nodes_[index].open(), request.amount);
  if (room < request.workers_min) return places;
  for (auto index : found) {
    auto count = slots(nodes_[index].open(), request.amount);
    for (; count > 0 && places.size() < request.workers_max; --count)
      places.push_back(take(index, request, static_cast<uint32_t>(places.size())));
    if (places.size() == request.workers_max) break;
  }
  return places;
}

/// Parts of GPUs: the device with the least left over, on the node with the least left over.
std::vector<JobPlace> Nodes::place_part(const Request& request) {
  std::vector<JobPlace> places;
  while (places.size() < request.workers_max) {
    auto best = nodes_.size();
    std::tuple<uint32_t, uint32_t, bool, uint64_t, Key> least;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto& node = nodes_[i];
      if (!node.usable(request) || room_for(node, request) == 0) continue;
      auto device = device_for_part(node, request.amount.gpu_share);
      if (!device || (node.gpu_used[*device] == 0 && node.open().gpus == 0)) continue;
      std::tuple<uint32_t, uint32_t, bool, uint64_t, Key> left{
          whole_gpu - node.gpu_used[*device], node.open().gpus, avoids(node, request),
          node.missing(request.data), key_of(node, i)};
      if (best == nodes_.size() || left < least) best = i, least = left;
    }
    if (best == nodes_.size()) break;
    places.push_back(take(best, request, static_cast<uint32_t>(places.size())));
  }
  if (places.size() >= request.workers_min) return places;
  for (const auto& place : places) give_back(place, request.amount);
  return {};
}

/// One worker after the other where the fewest fragments come of it; then where most of its data
/// is.
std::vector<JobPlace> Nodes::place_scored(const Request& request) {
  std::vector<JobPlace> places;
  while (places.size() < request.workers_max) {
    auto best = nodes_.size();
    Fragmentation::Choice choice;
    uint64_t choice_missing = 0;
    bool choice_avoided = false;
    auto& remembered = fragments_->remembered(request, nodes_.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto& here = fragments_->choose(nodes_[i], i, request, remembered);
      if (!here) continue;
      auto missing = nodes_[i].missing(request.data);
      auto avoided = avoids(nodes_[i], request);
      if (best != nodes_.size() &&
          std::tuple{-here->score, avoided, missing, here->idle} >=
              std::tuple{-choice.score, choice_avoided, choice_missing, choice.idle})
        continue;
      best = i, choice = *here, choice_missing = missing, choice_avoided = avoided;
    }
    if (best == nodes_.size()) break;
    JobPlace place{static_cast<uint32_t>(places.size()), nodes_[best].spec.name, {}};
    place.gpus = request.amount.shares() ? std::vector<uint32_t>{choice.device}
                                         : nodes_[best].best_gpus(request.amount.gpus);
    hold(place, request.amount);
    places.push_back(std::move(place));
  }
  if (places.size() >= request.workers_min) return places;
  for (const auto& place : places) give_back(place, request.amount);
  return {};
}

std::vector<JobPlace> Nodes::place_on(const std::vector<std::string>& names,
                                      const Request& request) {
  std::vector<JobPlace> places;
  Request one;
  for (const auto& name : names) {
    auto index = index_of(name);
    const auto& amount = one.amount = request.amount_at(static_cast<uint32_t>(places.size()));
    auto rest = amount;
    if (amount.shares()) rest.gpus = 0;
    bool room =
        index < nodes_.size() && nodes_[index].spec.accepts && fits(nodes_[index].free(), rest);
    if (room && amount.shares())
      room = device_for_part(nodes_[index], amount.gpu_share).has_value();
    if (!room) {
      for (const auto& place : places) give_back(place, request.amount_at(place.index));
      return {};
    }
    places.push_back(take(index, one, static_cast<uint32_t>(places.size())));
  }
  return places;
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
