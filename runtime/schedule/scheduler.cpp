#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::schedule {

void Scheduler::put_node(NodeSpec spec) {
  auto name = spec.name;
  bool is_new = nodes_.find(name) == nullptr;
  nodes_.put(std::move(spec));
  if (is_new)
    for (const auto& [id, held] : held_)
      for (const auto& job : held.jobs)
        if (job.node == name) nodes_.hold(job, held.amount);
  nodes_changed();
}

void Scheduler::remove_node(std::string_view name) {
  if (!nodes_.remove(name)) return;
  for (auto at = held_.begin(); at != held_.end();) {
    std::erase_if(at->second.jobs, [&](const JobPlace& job) { return job.node == name; });
    at = at->second.jobs.empty() ? held_.erase(at) : std::next(at);
  }
  nodes_changed();
}

bool Scheduler::possible(const Request& request) const {
  return nodes_.slots_empty(request, true, request.workers_min) >= request.workers_min;
}

void Scheduler::nodes_changed() {
  ++room_version_;
  queue_.sort_out([&](const Request& shape) { return possible(shape); });
}

Result<void> Scheduler::enqueue(const Request& request) {
  auto what = fmt::format("{} not queued", to_string(request.id));
  if (request.amount.milli_cpus < 0 || request.workers_min < 1 ||
      request.workers_max < request.workers_min || request.id.top == 0)
    return Error{Errc::invalid, what,
                 fmt::format("{} cpus, {} to {} workers", cpus_text(request.amount.milli_cpus),
                             request.workers_min, request.workers_max),
                 "ask for at least 0 cpus and 1 worker, the least first"};
  if (held_.contains(request.id))
    return Error{Errc::conflict, what, "it holds resources already", "wait for its jobs to end"};
  if (!queue_.push(request))
    return Error{Errc::conflict, what, "it is in the queue already", "kill it first"};
  queue_.set_possible(request.id, possible(request));
  return ok();
}

bool Scheduler::dequeue(ExperimentId id) {
  return queue_.remove(id);
}

void Scheduler::adopt(const Request& request, const std::vector<JobPlace>& jobs) {
  queue_.remove(request.id);
  auto [at, is_new] = held_.try_emplace(request.id);
  auto& held = at->second;
  if (is_new) held.amount = request.amount;
  for (const auto& job : jobs) {
    bool known = std::any_of(held.jobs.begin(), held.jobs.end(),
                             [&](const JobPlace& other) { return other.index == job.index; });
    if (known) continue;
    nodes_.hold(job, held.amount);
    held.jobs.push_back(job);
  }
  if (held.jobs.empty()) held_.erase(at);
}

void Scheduler::release(ExperimentId id, uint32_t job_index) {
  auto at = held_.find(id);
  if (at == held_.end()) return;
  auto& jobs = at->second.jobs;
  auto job = std::find_if(jobs.begin(), jobs.end(),
                          [&](const JobPlace& one) { return one.index == job_index; });
  if (job == jobs.end()) return;
  nodes_.give_back(*job, at->second.amount);
  jobs.erase(job);
  if (jobs.empty()) held_.erase(at);
  ++room_version_;
}

void Scheduler::release_all(ExperimentId id) {
  auto at = held_.find(id);
  if (at == held_.end()) return;
  for (const auto& job : at->second.jobs) nodes_.give_back(job, at->second.amount);
  held_.erase(at);
  ++room_version_;
}

std::vector<Placement> Scheduler::schedule(size_t max) {
  std::vector<Placement> started;
  while (started.size() < max) {
    auto sequence = queue_.head_sequence();
    if (!sequence) break;
    if (*sequence == stuck_sequence_ && room_version_ == stuck_version_) break;
    auto head = queue_.head();
    auto places = nodes_.place(head->request);
    if (places.empty()) {
      stuck_sequence_ = *sequence;
      stuck_version_ = room_version_;
      break;
    }
    queue_.remove(head->request.id);
    held_[head->request.id] = {head->request.amount, places};
    started.push_back({head->request.id, std::move(places)});
  }
  return started;
}

std::vector<NodeUse> Scheduler::nodes() const {
  std::vector<NodeUse> uses;
  for (const auto& node : nodes_.all()) uses.push_back({node.spec, node.used, node.jobs});
  return uses;
}

std::optional<NodeUse> Scheduler::node(std::string_view name) const {
  const auto* node = nodes_.find(name);
  if (node == nullptr) return std::nullopt;
  return NodeUse{node->spec, node->used, node->jobs};
}

std::optional<size_t> Scheduler::position(ExperimentId id) const {
  if (!queue_.contains(id)) return std::nullopt;
  return queue_.ahead(id);
}

}  // namespace troupe::schedule
