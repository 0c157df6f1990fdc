#include "runtime/schedule/clearing.hpp"

#include <algorithm>

namespace troupe::schedule {

bool Clearing::clear(const Amount& amount, const std::vector<JobPlace>& jobs) {
  bool useful = std::any_of(jobs.begin(), jobs.end(), [&](const JobPlace& job) {
    auto index = nodes_.index_of(job.node);
    return index < nodes_.all().size() && nodes_.all()[index].usable(request_);
  });
  if (useful) change(amount, jobs, false);
  return useful;
}

void Clearing::unclear(const Amount& amount, const std::vector<JobPlace>& jobs) {
  change(amount, jobs, true);
}

void Clearing::take(const Amount& amount, const std::vector<std::string>& nodes) {
  for (const auto& name : nodes) {
    auto index = nodes_.index_of(name);
    if (index == nodes_.all().size() || !nodes_.all()[index].usable(request_)) continue;
    auto before = slots_on(index);
    auto& gained = gained_[index];
    gained.milli_cpus -= amount.milli_cpus;
    gained.mem -= amount.mem;
    gained.gpus -= amount.gpus;
    slots_ += slots_on(index) - before;
  }
}

void Clearing::change(const Amount& amount, const std::vector<JobPlace>& jobs, bool back) {
  for (const auto& job : jobs) {
    auto index = nodes_.index_of(job.node);
    if (index == nodes_.all().size()) continue;
    const auto& node = nodes_.all()[index];
    if (!node.usable(request_)) continue;
    auto before = slots_on(index);
    auto& gained = gained_[index];
    // A device comes free when nobody else holds a part of it.
    uint32_t devices = 0;
    for (auto gpu : job.gpus)
      if (node.lends(gpu) && node.gpu_used[gpu] == amount.gpu_share) ++devices;
    if (back) {
      gained.milli_cpus -= amount.milli_cpus;
      gained.mem -= amount.mem;
      gained.gpus -= devices;
    } else {
      gained.milli_cpus += amount.milli_cpus;
      gained.mem += amount.mem;
      gained.gpus += devices;
    }
    slots_ += slots_on(index) - before;
  }
}

uint64_t Clearing::slots_on(size_t index) const {
  auto room = nodes_.all()[index].open();
  if (auto gained = gained_.find(index); gained != gained_.end()) {
    room.milli_cpus += gained->second.milli_cpus;
    room.mem += gained->second.mem;
    room.gpus += gained->second.gpus;
  }
  return slots(room, request_.amount);
}

std::vector<std::string> Clearing::places() const {
  std::vector<std::string> names;
  auto take = [&](size_t index) {
    for (auto count = slots_on(index); count > 0 && names.size() < request_.workers_min; --count)
      names.push_back(nodes_.all()[index].spec.name);
  };
  for (const auto& [index, gained] : gained_) take(index);
  for (size_t i = 0; i < nodes_.all().size() && names.size() < request_.workers_min; ++i)
    if (!gained_.contains(i) && nodes_.all()[i].usable(request_)) take(i);
  return names;
}

}  // namespace troupe::schedule
