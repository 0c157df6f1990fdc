#include "runtime/schedule/fragmentation.hpp"

#include "runtime/schedule/nodes.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::schedule {

void Fragmentation::expect(const Request& request) {
  const auto& amount = request.amount;
  ++counts_[{amount.milli_cpus, amount.gpus, amount.gpu_share, request.gpu_type, request.gpu_mem}];
  ++counted_;
}

/// The shapes that make up 95 % of what comes, the most frequent first: the rest changes nothing
/// but the cost.
void Fragmentation::settle() {
  // Again whenever a quarter more was seen: often enough to follow, seldom enough to remember.
  if (counted_ < settled_ + settled_ / 4 + 1) return;
  settled_ = counted_;
  std::vector<std::pair<uint64_t, const Shape*>> ranked;
  for (const auto& [shape, count] : counts_) ranked.emplace_back(count, &shape);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  typical_.clear();
  constexpr double covered = 0.95;
  uint64_t sum = 0;
  for (const auto& [count, shape] : ranked) {
    if (static_cast<double>(sum) >= covered * static_cast<double>(counted_)) break;
    sum += count;
    typical_.push_back({*shape, static_cast<double>(count)});
  }
  for (auto& one : typical_) one.weight /= static_cast<double>(sum);
  forget();
}

/// The idle GPU, in thousandths, that a typical request could not use here: all of it where the
/// request does not fit or needs none, else what lies on devices with too little left.
double Fragmentation::fragments(const Room& room) const {
  uint64_t idle = 0;
  for (auto device : room.idle) idle += device;
  double sum = 0;
  for (const auto& [shape, weight] : typical_) {
    uint64_t useless = idle;
    bool suits = shape.gpus != 0 && shape.milli_cpus <= room.milli_cpus &&
                 shape.gpu_mem <= room.node->gpu_mem &&
                 (shape.gpu_type.empty() || is_gpu_type(room.node->gpu_type, shape.gpu_type));
    if (suits) {
      uint32_t devices = 0;
      uint64_t small = 0;
      for (auto device : room.idle) {
        if (device >= shape.share)
          ++devices;
        else
          small += device;
      }
      if (devices >= shape.gpus) useless = small;
    }
    sum += weight * static_cast<double>(useless);
  }
  return sum;
}

std::optional<Fragmentation::Choice> Fragmentation::compute(const Node& node,
                                                            const Request& request) {
  const auto& each = request.amount;
  auto open = node.open();
  if (!node.usable(request) || each.milli_cpus > open.milli_cpus || each.mem > open.mem)
    return std::nullopt;
  Room room{open.milli_cpus, &node.spec, {}};
  Choice best;
  for (uint32_t i = 0; i < node.spec.gpus; ++i) {
    auto used = node.lends(i) ? std::min(whole_gpu, node.gpu_used[i]) : whole_gpu;
    room.idle.push_back(whole_gpu - used);
    best.idle += room.idle.back();
  }
  constexpr int64_t cpus_of_a_gpu = 16;  // about what stands beside one in GPU clusters
  best.idle += static_cast<uint64_t>(open.milli_cpus / cpus_of_a_gpu);
  auto before = fragments(room);
  auto score = [&](const Room& after) {
    // Rounded on purpose: small differences say nothing, and among equals the fuller node is
    // better.
    constexpr double steps = 50, scale = whole_gpu;
    return static_cast<int>(steps / (1 + std::exp(-(before - fragments(after)) / scale)));
  };
  auto after = room;
  after.milli_cpus -= each.milli_cpus;
  if (!each.shares()) {
    uint32_t devices = 0;
    for (auto& idle : after.idle)
      if (devices < each.gpus && idle == whole_gpu) idle = 0, ++devices;
    if (devices < each.gpus || each.gpus > open.gpus) return std::nullopt;
    best.score = score(after);
    return best;
  }
  bool found = false;
  for (uint32_t i = 0; i < node.spec.gpus; ++i) {
    if (room.idle[i] < each.gpu_share) continue;
    if (i > 0 &&
        std::find(room.idle.begin(), room.idle.begin() + i, room.idle[i]) != room.idle.begin() + i)
      continue;  // as good as one before
    after.idle[i] -= each.gpu_share;
    auto here = score(after);
    after.idle[i] = room.idle[i];
    if (found && here <= best.score) continue;
    best.score = here, best.device = i, found = true;
  }
  if (!found) return std::nullopt;
  return best;
}

Fragmentation::Remembered& Fragmentation::remembered(const Request& request, size_t nodes) {
  settle();
  constexpr size_t shapes_max = 1000;  // a bound on memory: a byte or ten for each node each
  if (remembered_.size() >= shapes_max) remembered_.clear();
  auto& found = remembered_[{request.amount, request.gpu_type, request.gpu_mem, request.labels}];
  found.known.resize(nodes, false);
  found.choices.resize(nodes);
  return found;
}

const std::optional<Fragmentation::Choice>& Fragmentation::choose(const Node& node, size_t index,
                                                                  const Request& request,
                                                                  Remembered& remembered) {
  if (!remembered.known[index]) {
    remembered.choices[index] = compute(node, request);
    remembered.known[index] = true;
  }
  return remembered.choices[index];
}

void Fragmentation::changed(size_t index) {
  for (auto& [asked, remembered] : remembered_)
    if (index < remembered.known.size()) remembered.known[index] = false;
}

void Fragmentation::forget() {
  remembered_.clear();
}

}  // namespace troupe::schedule
