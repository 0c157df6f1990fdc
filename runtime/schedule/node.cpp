// One node: what it has, what of that is free, and what of a request it suits.
#include "runtime/schedule/nodes.hpp"
#include "runtime/topology/choose_gpus.hpp"

#include <algorithm>
#include <limits>

namespace troupe::schedule {

bool fits(const Amount& room, const Amount& each) {
  return each.milli_cpus <= room.milli_cpus && each.mem <= room.mem && each.gpus <= room.gpus;
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

}  // namespace troupe::schedule
