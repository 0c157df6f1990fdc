#include "runtime/schedule/clearing.hpp"

#include <algorithm>

namespace troupe::schedule {

Clearing::Clearing(const Nodes& nodes, const Request& request) : nodes_{nodes}, request_{request} {
  for (const auto& group : request.groups) parts_.push_back(request.part(group));
  for (size_t i = 0; i < parts(); ++i) {
    const auto& one = part(i);
    if (!one.amount.shares()) {
      slots_.push_back(nodes.slots_free(one, one.workers_min));
      continue;
    }
    // What is left of a GPU that others use is not counted: it would have to be told from what they
    // give back.
    slots_.push_back(0);
    for (const auto& node : nodes.all())
      if (node.usable(one)) slots_.back() += slots_of_wholes(node.open(), one.amount);
  }
}

bool Clearing::usable(const Node& node) const {
  for (size_t i = 0; i < parts(); ++i)
    if (node.usable(part(i))) return true;
  return false;
}

bool Clearing::clear(const Request& gone, const std::vector<JobPlace>& jobs) {
  bool useful = std::any_of(jobs.begin(), jobs.end(), [&](const JobPlace& job) {
    auto index = nodes_.index_of(job.node);
    return index < nodes_.all().size() && usable(nodes_.all()[index]);
  });
  if (useful) change(gone, jobs, false);
  return useful;
}

void Clearing::unclear(const Request& gone, const std::vector<JobPlace>& jobs) {
  change(gone, jobs, true);
}

void Clearing::take(const Request& other, const std::vector<std::string>& nodes) {
  for (uint32_t worker = 0; worker < nodes.size(); ++worker) {
    auto index = nodes_.index_of(nodes[worker]);
    if (index == nodes_.all().size() || !usable(nodes_.all()[index])) continue;
    const auto& amount = other.amount_at(worker);
    change(index, [&](Amount& gained) {
      gained.milli_cpus -= amount.milli_cpus;
      gained.mem -= amount.mem;
      gained.gpus -= amount.gpus;
    });
  }
}

void Clearing::change(const Request& gone, const std::vector<JobPlace>& jobs, bool back) {
  for (const auto& job : jobs) {
    auto index = nodes_.index_of(job.node);
    if (index == nodes_.all().size()) continue;
    const auto& node = nodes_.all()[index];
    if (!usable(node)) continue;
    const auto& amount = gone.amount_at(job.index);
    // A device comes free when nobody else holds a part of it.
    uint32_t devices = 0;
    for (auto gpu : job.gpus)
      if (node.lends(gpu) && node.gpu_used[gpu] == amount.gpu_share) ++devices;
    change(index, [&](Amount& gained) {
      if (back) {
        gained.milli_cpus -= amount.milli_cpus;
        gained.mem -= amount.mem;
        gained.gpus -= devices;
      } else {
        gained.milli_cpus += amount.milli_cpus;
        gained.mem += amount.mem;
        gained.gpus += devices;
      }
    });
  }
}

template <class Change>
void Clearing::change(size_t node, Change what) {
  auto before = room(node);
  what(gained_[node]);
  auto after = room(node);
  for (size_t i = 0; i < parts(); ++i)
    if (nodes_.all()[node].usable(part(i)))
      slots_[i] += slots_of_wholes(after, part(i).amount) - slots_of_wholes(before, part(i).amount);
}

Amount Clearing::room(size_t node) const {
  auto room = nodes_.all()[node].open();
  if (auto gained = gained_.find(node); gained != gained_.end()) {
    room.milli_cpus += gained->second.milli_cpus;
    room.mem += gained->second.mem;
    room.gpus += gained->second.gpus;
  }
  return room;
}

bool Clearing::enough() const {
  for (size_t i = 0; i < parts(); ++i)
    if (slots_[i] < part(i).workers_min) return false;
  return request_.groups.empty() || !packed().empty();
}

std::vector<size_t> Clearing::packed() const {
  return nodes_.pack(
      request_, [&](size_t node) { return room(node); }, true);
}

std::vector<std::string> Clearing::places() const {
  std::vector<std::string> names;
  if (!request_.groups.empty()) {
    for (auto index : packed()) names.push_back(nodes_.all()[index].spec.name);
    return names;
  }
  auto take = [&](size_t index) {
    for (auto count = slots_of_wholes(room(index), request_.amount);
         count > 0 && names.size() < request_.workers_min; --count)
      names.push_back(nodes_.all()[index].spec.name);
  };
  for (const auto& [index, gained] : gained_) take(index);
  for (size_t i = 0; i < nodes_.all().size() && names.size() < request_.workers_min; ++i)
    if (!gained_.contains(i) && nodes_.all()[i].usable(request_)) take(i);
  return names;
}

}  // namespace troupe::schedule
