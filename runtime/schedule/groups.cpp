// Gangs whose workers need different things: all groups find their places together, or none does.
#include "runtime/schedule/nodes.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <tuple>

namespace troupe::schedule {
namespace {

/// Orders in which groups are given places. Those that need most go first, which mostly succeeds;
/// where it does not, another order may.
class Orders {
 public:
  explicit Orders(const Request& request) : request_{request}, order_(request.groups.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return need(a) > need(b); });
    first_ = order_;
  }

  const std::vector<size_t>& order() const { return order_; }
  bool next() {
    constexpr size_t tried_max = 24;  // all of four roles
    auto less = [&](size_t a, size_t b) { return place(a) < place(b); };
    return ++tried_ < tried_max && std::next_permutation(order_.begin(), order_.end(), less);
  }
  uint32_t first_worker(size_t group) const {
    uint32_t first = 0;
    for (size_t i = 0; i < group; ++i) first += request_.groups[i].count;
    return first;
  }

 private:
  std::tuple<uint32_t, int64_t, uint64_t> need(size_t group) const {
    const auto& amount = request_.groups[group].amount;
    return {amount.gpus * amount.gpu_share, amount.milli_cpus, amount.mem};
  }
  std::ptrdiff_t place(size_t group) const {
    return std::find(first_.begin(), first_.end(), group) - first_.begin();
  }

  const Request& request_;
  std::vector<size_t> order_, first_;
  size_t tried_ = 0;
};

uint32_t parts_of_a_gpu(const Amount& amount) {
  return amount.shares() ? whole_gpu / amount.gpu_share : 1;
}

void take_from(Amount& room, const Amount& each, uint64_t count) {
  room.milli_cpus -= each.milli_cpus * static_cast<int64_t>(count);
  room.mem -= each.mem * count;
  auto parts = parts_of_a_gpu(each);
  room.gpus -= static_cast<uint32_t>((each.gpus * count + parts - 1) / parts);
}

/// Nodes for all workers of one group, the fullest first; none where there is no room.
std::vector<size_t> pack_one(const std::vector<Node>& nodes, std::vector<Amount>& rooms,
                             const Request& part, bool accepting) {
  std::vector<std::tuple<uint32_t, int64_t, uint64_t, size_t>> found;
  for (size_t i = 0; i < nodes.size(); ++i)
    if ((!accepting || nodes[i].spec.accepts) && nodes[i].has_gpus_for(part) &&
        nodes[i].has_labels(part.labels) && slots_of_wholes(rooms[i], part.amount) != 0)
      found.emplace_back(rooms[i].gpus, rooms[i].milli_cpus, rooms[i].mem, i);
  std::sort(found.begin(), found.end());
  std::vector<size_t> taken;
  for (const auto& [gpus, cpus, mem, index] : found) {
    auto count = std::min<uint64_t>(slots_of_wholes(rooms[index], part.amount),
                                    part.workers_min - taken.size());
    take_from(rooms[index], part.amount, count);
    taken.insert(taken.end(), count, index);
    if (taken.size() == part.workers_min) return taken;
  }
  return {};
}

/// All ways to share the nodes out among the groups, the fullest node first. Of what is left to
/// place after a node only the least is kept, which leaves few; where they are many all the same it
/// gives up.
class Sharing {
 public:
  Sharing(const std::vector<Node>& nodes, const std::vector<Amount>& rooms,
          const std::vector<Request>& parts, bool accepting)
      : nodes_{nodes}, rooms_{rooms}, parts_{parts}, accepting_{accepting} {}

  /// A node for each worker, by group; none where there is no way, or too many were tried.
  std::vector<std::vector<size_t>> find() {
    Counts all;
    for (const auto& part : parts_) all.push_back(part.workers_min);
    std::vector<size_t> order(nodes_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      auto key = [&](size_t i) {
        return std::make_tuple(rooms_[i].gpus, rooms_[i].milli_cpus, rooms_[i].mem, i);
      };
      return key(a) < key(b);
    });
    ways_.push_back({all, {}, 0, 0});
    std::vector<size_t> open{0};
    for (auto node : order) {
      if (accepting_ && !nodes_[node].spec.accepts) continue;
      next_.clear();
      for (auto way : open) {
        take_ = Counts(parts_.size());
        fill(node, way, 0, rooms_[node]);
      }
      open = next_;
      for (auto way : open)
        if (ways_[way].left == Counts(parts_.size())) return workers_of(way);
      if (tried_ > tried_max) break;
    }
    return {};
  }

 private:
  using Counts = std::vector<uint32_t>;
  struct Way {
    Counts left, taken;  // of each group: still to be placed; on this node
    size_t node, before;
  };
  static constexpr size_t tried_max = 100'000;  // some milliseconds

  void fill(size_t node, size_t way, size_t group, const Amount& room) {
    if (++tried_ > tried_max) return;
    if (group == parts_.size()) return keep(node, way);
    const auto& part = parts_[group];
    bool suits = nodes_[node].has_gpus_for(part) && nodes_[node].has_labels(part.labels);
    auto most = suits ? slots_of_wholes(room, part.amount) : 0;
    most = std::min<uint64_t>(most, ways_[way].left[group]);
    // Of the last one there is no reason to take fewer than there is room for.
    auto least = group + 1 == parts_.size() ? most : 0;
    for (auto count = most + 1; count-- > least;) {
      auto rest = room;
      take_from(rest, part.amount, count);
      take_[group] = static_cast<uint32_t>(count);
      fill(node, way, group + 1, rest);
    }
  }
  void keep(size_t node, size_t way) {
    auto left = ways_[way].left;
    for (size_t i = 0; i < left.size(); ++i) left[i] -= take_[i];
    auto no_more = [&](const Counts& a, const Counts& b) {
      return std::equal(a.begin(), a.end(), b.begin(), std::less_equal<>{});
    };
    for (auto other : next_)
      if (++tried_; no_more(ways_[other].left, left)) return;
    std::erase_if(next_, [&](size_t other) { return no_more(left, ways_[other].left); });
    next_.push_back(ways_.size());
    ways_.push_back({std::move(left), take_, node, way});
  }
  std::vector<std::vector<size_t>> workers_of(size_t way) const {
    std::vector<std::vector<size_t>> workers(parts_.size());
    for (; way != 0; way = ways_[way].before)
      for (size_t i = 0; i < workers.size(); ++i)
        workers[i].insert(workers[i].end(), ways_[way].taken[i], ways_[way].node);
    return workers;
  }

  const std::vector<Node>& nodes_;
  const std::vector<Amount>& rooms_;
  const std::vector<Request>& parts_;
  bool accepting_;
  std::vector<Way> ways_;     // all that were kept
  std::vector<size_t> next_;  // of those, the ones with the node that is looked at
  Counts take_;
  size_t tried_ = 0;
};

}  // namespace

uint64_t slots_of_wholes(const Amount& room, const Amount& each) {
  if (!each.shares()) return slots(room, each);
  auto rest = each;
  rest.gpus = 0;
  return std::min(uint64_t{room.gpus} * parts_of_a_gpu(each), slots(room, rest));
}

std::vector<size_t> Nodes::pack(const Request& request, const std::function<Amount(size_t)>& room,
                                bool accepting) const {
  std::vector<Request> parts;
  for (const auto& group : request.groups) parts.push_back(request.part(group));
  std::vector<Amount> all;
  for (size_t i = 0; i < nodes_.size(); ++i) all.push_back(room(i));
  // What has no room by itself has none in any order.
  for (const auto& part : parts)
    if (auto alone = all; pack_one(nodes_, alone, part, accepting).empty()) return {};
  Orders orders{request};
  do {
    auto left = all;
    std::vector<size_t> by_worker(request.workers_min);
    bool fits = true;
    for (auto group : orders.order()) {
      auto taken = pack_one(nodes_, left, parts[group], accepting);
      if (!(fits = !taken.empty())) break;
      std::copy(taken.begin(), taken.end(), by_worker.begin() + orders.first_worker(group));
    }
    if (fits) return by_worker;
  } while (orders.next());
  // Each group in turn filled the nodes; they may have to be mixed.
  std::vector<size_t> by_worker;
  for (const auto& group : Sharing{nodes_, all, parts, accepting}.find())
    by_worker.insert(by_worker.end(), group.begin(), group.end());
  return by_worker;
}

bool Nodes::fits_now(const Request& request) const {
  if (request.groups.empty())
    return slots_free(request, request.workers_min) >= request.workers_min;
  return !pack(
              request, [&](size_t index) { return nodes_[index].open(); }, true)
              .empty();
}

bool Nodes::fits_empty(const Request& request, bool accepting) const {
  if (request.groups.empty())
    return slots_empty(request, accepting, request.workers_min) >= request.workers_min;
  auto whole = [&](size_t index) {
    const auto& spec = nodes_[index].spec;
    return Amount{spec.milli_cpus, spec.mem, spec.gpus};
  };
  return !pack(request, whole, accepting).empty();
}

std::vector<JobPlace> Nodes::place_groups(const Request& request) {
  std::vector<Request> parts;
  for (const auto& group : request.groups) parts.push_back(request.part(group));
  for (const auto& part : parts)
    if (slots_free(part, part.workers_min) < part.workers_min) return {};
  Orders orders{request};
  do {
    std::vector<JobPlace> places;
    for (auto group : orders.order()) {
      auto found = place(parts[group]);
      if (found.empty()) break;
      for (auto& one : found) one.index += orders.first_worker(group);
      places.insert(places.end(), found.begin(), found.end());
    }
    if (places.size() == request.workers_min) {
      std::sort(places.begin(), places.end(),
                [](const JobPlace& a, const JobPlace& b) { return a.index < b.index; });
      return places;
    }
    for (const auto& one : places) give_back(one, request.amount_at(one.index));
  } while (orders.next());
  // What goes to its data first, or where it leaves the fewest fragments, may have been in the way.
  std::vector<JobPlace> places;
  auto nodes = pack(
      request, [&](size_t index) { return nodes_[index].open(); }, true);
  for (size_t group = 0; group < parts.size() && !nodes.empty(); ++group)
    for (uint32_t i = 0; i < parts[group].workers_min; ++i) {
      auto worker = static_cast<uint32_t>(places.size());
      places.push_back(take(nodes[worker], parts[group], worker));
    }
  return places;
}

}  // namespace troupe::schedule
