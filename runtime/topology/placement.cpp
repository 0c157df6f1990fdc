#include "runtime/topology/placement.hpp"

#include "runtime/topology/choose_gpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace troupe::topology {

namespace {

Result<std::vector<uint32_t>> gpus_for(const Model& model, const Taken& taken,
                                       const Wanted& wanted) {
  if (!wanted.chosen_gpus.empty()) {
    for (auto gpu : wanted.chosen_gpus)
      if (gpu >= model.gpus.size())
        return Error{Errc::exhausted, fmt::format("there is no GPU {}", gpu),
                     fmt::format("the machine has {}", model.gpus.size()), ""};
    return wanted.chosen_gpus;
  }
  std::vector<uint32_t> idle;
  for (uint32_t gpu = 0; gpu < model.gpus.size(); ++gpu)
    if (!taken.gpus.contains(gpu)) idle.push_back(gpu);
  if (idle.size() < wanted.gpus)
    return Error{
        Errc::exhausted, fmt::format("{} GPUs are not there", wanted.gpus),
        fmt::format("the machine has {}, of which {} are idle", model.gpus.size(), idle.size()),
        ""};
  return choose_gpus(model.gpu_nearness(), static_cast<uint32_t>(model.gpus.size()), idle,
                     wanted.gpus);
}

/// The share of one of `ranks` in a row of things: all of it where there are fewer than ranks.
std::vector<uint32_t> share(const std::vector<uint32_t>& all, uint32_t rank, uint32_t ranks) {
  if (all.empty()) return {};
  if (all.size() < ranks) return {all[size_t{rank} * all.size() / ranks]};
  auto from = size_t{rank} * all.size() / ranks, to = size_t{rank + 1} * all.size() / ranks;
  return {all.begin() + static_cast<std::ptrdiff_t>(from),
          all.begin() + static_cast<std::ptrdiff_t>(to)};
}

/// The idle cores of a machine, NUMA node by NUMA node.
class Cores {
 public:
  Cores(const Model& model, const Taken& taken) : model_{model} {
    for (const auto& numa : model.numas) nodes_[numa.number].package = numa.package;
    for (const auto& core : model.cores) {
      auto& node = nodes_[core.numa];
      ++node.all;
      bool idle = std::none_of(core.cpus.begin(), core.cpus.end(), [&](uint32_t cpu) {
        return std::binary_search(taken.cpus.begin(), taken.cpus.end(), cpu);
      });
      if (idle) node.idle.push_back(&core);
      threads_ = std::max(threads_, static_cast<uint32_t>(core.cpus.size()));
    }
    for (const auto& gpu : model.gpus)
      if (gpu.numa) nodes_[*gpu.numa].has_gpus = true;
  }

  uint32_t threads() const { return std::max(1u, threads_); }
  size_t idle() const {
    return std::accumulate(
        nodes_.begin(), nodes_.end(), size_t{0},
        [](size_t sum, const auto& each) { return sum + each.second.idle.size(); });
  }

  /// So many cores for one rank: at home as far as they last, then in the home's package, then
  /// where the fewest are left over. Memory follows.
  void take(uint32_t count, std::optional<uint32_t> home, RankPlacement& rank) {
    while (count > 0) {
      auto* node = home && !nodes_[*home].idle.empty() ? &nodes_[*home] : best(count, home);
      if (node == nullptr) return;
      for (; count > 0 && !node->idle.empty(); --count) {
        const auto& core = *node->idle.front();
        node->idle.erase(node->idle.begin());
        add(rank.cpus, core.cpus);
        add(rank.memory, {core.numa});
        last_package_ = node->package;
      }
    }
  }

  /// Ranks without a home, which together need so many: NUMA nodes that nobody uses are theirs as
  /// a whole, as long as they fill them.
  void reserve(uint32_t count) {
    while (true) {
      Node* best = nullptr;
      for (auto& [number, node] : nodes_) {
        if (node.reserved || node.idle.empty() || node.idle.size() != node.all ||
            node.idle.size() > count)
          continue;
        // Packages that can take all of it before those that can not.
        auto key = [&](const Node& one) {
          return std::tuple(!one.has_gpus, one.package == last_package_,
                            whole_in(one.package) >= count, one.idle.size());
        };
        if (best == nullptr || key(node) > key(*best)) best = &node;
      }
      if (best == nullptr) return;
      best->reserved = true;
      last_package_ = best->package;
      count -= static_cast<uint32_t>(best->idle.size());
    }
  }

 private:
  struct Node {
    uint32_t package = 0;
    size_t all = 0;
    std::vector<const Core*> idle;
    bool has_gpus = false;
    bool reserved = false;
  };

  /// Cores of NUMA nodes that nobody uses.
  size_t whole_in(uint32_t package) const {
    size_t sum = 0;
    for (const auto& [number, node] : nodes_)
      if (node.package == package && !node.reserved && node.idle.size() == node.all)
        sum += node.idle.size();
    return sum;
  }

  /// Where the rest of a rank goes: reserved nodes first, then where all of it fits with the least
  /// left over, else where most is; among equals near to what it has, and far from GPUs.
  Node* best(uint32_t count, std::optional<uint32_t> home) {
    auto package = home ? nodes_[*home].package : last_package_;
    Node* best = nullptr;
    auto key = [&](const Node& node) {
      bool fits = node.idle.size() >= count;
      auto room = static_cast<int64_t>(node.idle.size());
      bool near = package && node.package == *package;
      // With a home it is near that it goes; without, where it fits.
      return std::tuple(node.reserved, home && near, fits, fits ? -room : room, near,
                        !node.has_gpus);
    };
    for (auto& [number, node] : nodes_)
      if (!node.idle.empty() && (best == nullptr || key(node) > key(*best))) best = &node;
    return best;
  }

  const Model& model_;
  std::map<uint32_t, Node> nodes_;
  uint32_t threads_ = 0;
  std::optional<uint32_t> last_package_;
};

std::optional<uint32_t> home_of(const Model& model, const RankPlacement& rank) {
  for (auto gpu : rank.gpus)
    if (model.gpus[gpu].numa && !model.cpus_of(*model.gpus[gpu].numa).empty())
      return model.gpus[gpu].numa;
  return std::nullopt;
}

void gather(JobPlacement& job) {
  for (const auto& rank : job.ranks) {
    add(job.cpus, rank.cpus);
    add(job.memory, rank.memory);
  }
}

void place_cores(const Model& model, const Taken& taken, const Wanted& wanted, JobPlacement& job) {
  Cores cores{model, taken};
  auto ranks = static_cast<uint32_t>(job.ranks.size());
  auto per_core = cores.threads();
  auto up = [](uint32_t n, uint32_t by) { return (n + by - 1) / by; };
  std::vector<uint32_t> counts;
  uint32_t sum = 0;
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    auto cpus = wanted.cpus / ranks + (rank < wanted.cpus % ranks ? 1 : 0);
    counts.push_back(up(cpus, per_core));
    sum += counts.back();
  }
  auto together = up(wanted.cpus, per_core);
  if (together == 0 || cores.idle() < together) {
    if (together > 0)
      job.note = fmt::format("it wants {} whole {}, and {} are idle", together,
                             together == 1 ? "core" : "cores", cores.idle());
    return;
  }
  job.own = true;
  // Too few for a core of its own each: they share all of them.
  if (wanted.cpus < ranks || cores.idle() < sum) {
    RankPlacement all;
    std::vector<std::optional<uint32_t>> homes;
    for (const auto& rank : job.ranks) homes.push_back(home_of(model, rank));
    bool at_home = std::any_of(homes.begin(), homes.end(), [](auto home) { return bool{home}; });
    if (!at_home) cores.reserve(together);
    for (uint32_t n = 0; n < together; ++n) cores.take(1, homes[size_t{n} * ranks / together], all);
    for (auto& rank : job.ranks) rank.cpus = all.cpus, rank.memory = all.memory;
    return gather(job);
  }
  uint32_t homeless = 0;
  for (uint32_t rank = 0; rank < ranks; ++rank)
    if (auto home = home_of(model, job.ranks[rank])) {
      cores.take(counts[rank], home, job.ranks[rank]);
    } else {
      homeless += counts[rank];
    }
  cores.reserve(homeless);
  for (uint32_t rank = 0; rank < ranks; ++rank)
    if (job.ranks[rank].cpus.empty() && counts[rank] > 0)
      cores.take(counts[rank], std::nullopt, job.ranks[rank]);
  gather(job);
}

/// On all CPUs of the NUMA nodes where its GPUs are; without any, of as many as it fills, those
/// with the least taken first.
void place_numas(const Model& model, const Taken& taken, const Wanted& wanted, JobPlacement& job) {
  std::vector<std::pair<size_t, uint32_t>> order;  // taken, number
  for (const auto& numa : model.numas) {
    auto cpus = model.cpus_of(numa.number);
    if (cpus.empty()) continue;
    auto used = std::count_if(cpus.begin(), cpus.end(), [&](uint32_t cpu) {
      return std::binary_search(taken.cpus.begin(), taken.cpus.end(), cpu);
    });
    order.emplace_back(static_cast<size_t>(used), numa.number);
  }
  std::stable_sort(order.begin(), order.end());
  if (order.empty()) return;
  Numbers spread;
  size_t room = 0;
  for (const auto& [used, number] : order) {
    if (!spread.empty() && room >= wanted.cpus) break;
    add(spread, {number});
    room += model.cpus_of(number).size();
  }
  for (size_t i = 0; i < job.ranks.size(); ++i) {
    auto& rank = job.ranks[i];
    auto home = home_of(model, rank);
    rank.memory = home                    ? Numbers{*home}
                  : job.ranks.size() == 1 ? spread
                                          : Numbers{spread[i * spread.size() / job.ranks.size()]};
    for (auto numa : rank.memory) add(rank.cpus, model.cpus_of(numa));
  }
  gather(job);
}

}  // namespace

Result<JobPlacement> place(const Model& model, const Taken& taken, const Wanted& wanted) {
  auto gpus = gpus_for(model, taken, wanted);
  if (!gpus) return std::move(gpus).error();
  JobPlacement job;
  job.gpus = std::move(*gpus);
  auto ranks = std::max(1u, wanted.ranks);
  // Ranks of one NUMA node share its cards.
  std::map<uint32_t, uint32_t> users;
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    RankPlacement placed;
    placed.gpus = share(job.gpus, rank, ranks);
    job.ranks.push_back(std::move(placed));
  }
  switch (wanted.binding) {
    case Binding::off:
      break;
    case Binding::cores:
      place_cores(model, taken, wanted, job);
      break;
    case Binding::numa:
      place_numas(model, taken, wanted, job);
      break;
  }
  for (auto& rank : job.ranks) {
    std::vector<uint32_t> near;
    if (!rank.gpus.empty()) {
      near = model.nics_near(rank.gpus.front());
    } else {
      for (uint32_t nic = 0; nic < model.nics.size(); ++nic)
        if (rank.memory.empty() || !model.nics[nic].numa ||
            std::binary_search(rank.memory.begin(), rank.memory.end(), *model.nics[nic].numa))
          near.push_back(nic);
      if (near.empty()) {
        near.resize(model.nics.size());
        std::iota(near.begin(), near.end(), 0u);
      }
    }
    if (near.empty()) continue;
    auto least = *std::min_element(near.begin(), near.end(), [&](uint32_t a, uint32_t b) {
      return std::tuple(users[a], a) < std::tuple(users[b], b);
    });
    ++users[least];
    rank.nic = least;
  }
  return job;
}

}  // namespace troupe::topology
