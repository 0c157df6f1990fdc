#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::schedule {

Scheduler::Scheduler(Policy policy)
    : policy_{std::move(policy)},
      nodes_{policy_.packing == Policy::Packing::fragmentation},
      shares_{policy_.half_life} {}

void Scheduler::set_time(Time now) {
  now_ = std::max(now_, now);
}

void Scheduler::put_node(NodeSpec spec) {
  auto name = spec.name;
  bool is_new = nodes_.find(name) == nullptr;
  nodes_.put(std::move(spec));
  if (is_new)
    for (const auto& [id, held] : held_)
      for (const auto& job : held.jobs) {
        if (job.node != name) continue;
        nodes_.hold(job, held.request.amount_at(job.index));
        if (held.stopping) nodes_.leave(name, held.request.amount_at(job.index), false);
      }
  nodes_changed();
}

void Scheduler::remove_node(std::string_view name) {
  if (!nodes_.remove(name)) return;
  std::vector<ExperimentId> broken;
  for (const auto& [id, promise] : promises_)
    if (std::count(promise.nodes.begin(), promise.nodes.end(), name) != 0) broken.push_back(id);
  for (auto id : broken) break_promise(id, true);
  for (auto at = held_.begin(); at != held_.end();) {
    auto one = at++;
    if (std::erase_if(one->second.jobs, [&](const JobPlace& job) { return job.node == name; }) == 0)
      continue;
    settle(one->second);
    if (one->second.jobs.empty()) end_run(one);
  }
  nodes_changed();
}

bool Scheduler::possible(const Request& request) const {
  return nodes_.fits_empty(request, true);
}

void Scheduler::nodes_changed() {
  ++state_;
  stale_ = true;
  queue_.sort_out([&](const Request& shape) { return possible(shape); });
}

int32_t Scheduler::level_of(uint64_t service) const {
  const auto& limits = policy_.level_limits;
  return static_cast<int32_t>(std::upper_bound(limits.begin(), limits.end(), service) -
                              limits.begin());
}

Class Scheduler::rank_of(const Request& request, int32_t level, bool surplus) const {
  // Whoever starved goes before all, whatever its owner has used.
  bool shared = policy_.fair_share && level >= 0;
  return {-request.priority, surplus ? 1 : 0, shared ? shares_.standing(request) : 0, level};
}

void Scheduler::count_wants(const Request& request, int change) {
  if (policy_.fair_share) shares_.wants(request, change, now_);
}

Result<void> Scheduler::enqueue(const Request& request) {
  auto what = fmt::format("{} not queued", to_string(request.id));
  if (request.amount.milli_cpus < 0 || request.workers_min < 1 ||
      request.workers_max < request.workers_min || request.id.top == 0)
    return Error{Errc::invalid, what,
                 fmt::format("{} cpus, {} to {} workers", cpus_text(request.amount.milli_cpus),
                             request.workers_min, request.workers_max),
                 "ask for at least 0 cpus and 1 worker, the least first"};
  uint64_t members = 0;
  for (const auto& group : request.groups) members += group.count;
  if (members != 0 && (members != request.workers_min || members != request.workers_max))
    return Error{Errc::invalid, what,
                 fmt::format("{} to {} workers, in groups of {} together", request.workers_min,
                             request.workers_max, members),
                 "groups say how many workers there are"};
  if (held_.contains(request.id))
    return Error{Errc::conflict, what, "it holds resources already", "wait for its jobs to end"};
  if (is_waiting(request.id))
    return Error{Errc::conflict, what, "it is in the queue already", "kill it first"};
  auto service = request.service;
  uint64_t sequence = 0;
  if (auto stopped = stopped_.find(request.id); stopped != stopped_.end()) {
    service = std::max(service, stopped->second.service);
    sequence = stopped->second.sequence;
    stopped_.erase(stopped);
  }
  if (service != 0) kept_[request.id] = {service, now_};
  if (policy_.starving_after > Time{0}) arrivals_.emplace_back(now_, request.id);
  count_wants(request, 1);
  nodes_.expect(request);
  if (ranges_.contains(request.id.top))
    queue_ranged(request, level_of(service), sequence);
  else
    queue_.push(request, rank_of(request, level_of(service), false), sequence);
  queue_.set_possible(request.id, possible(request));
  stale_ = true;
  return ok();
}

bool Scheduler::dequeue(ExperimentId id) {
  if (promises_.contains(id)) {
    break_promise(id, false);
    return true;
  }
  auto request = queue_.find(id);
  if (!request) return false;
  count_wants(*request, -1);
  queue_.remove(id);
  kept_.erase(id);
  collecting_.erase(id);
  stale_ = true;
  return true;
}

void Scheduler::adopt(const Request& request, const std::vector<JobPlace>& jobs) {
  auto sequence = queue_.sequence_of(request.id);
  dequeue(request.id);
  auto at = held_.find(request.id);
  if (at == held_.end()) {
    if (jobs.empty()) return;
    hold(request, sequence);
    at = held_.find(request.id);
  }
  auto& held = at->second;
  for (const auto& job : jobs) {
    bool known = std::any_of(held.jobs.begin(), held.jobs.end(),
                             [&](const JobPlace& other) { return other.index == job.index; });
    if (known) continue;
    nodes_.hold(job, held.request.amount_at(job.index));
    held.jobs.push_back(job);
  }
  settle(held);
}

void Scheduler::release(ExperimentId id, uint32_t job_index) {
  auto at = held_.find(id);
  if (at == held_.end()) return;
  auto& held = at->second;
  auto job = std::find_if(held.jobs.begin(), held.jobs.end(),
                          [&](const JobPlace& one) { return one.index == job_index; });
  if (job == held.jobs.end()) return;
  const auto& amount = held.request.amount_at(job_index);
  nodes_.give_back(*job, amount);
  if (held.stopping) nodes_.leave(job->node, amount, true);
  held.jobs.erase(job);
  settle(held);
  if (held.jobs.empty()) end_run(at);
  ++state_;
  stale_ = true;
}

void Scheduler::release_all(ExperimentId id) {
  auto at = held_.find(id);
  if (at == held_.end()) return;
  std::vector<uint32_t> indices;
  for (const auto& job : at->second.jobs) indices.push_back(job.index);
  for (auto index : indices) release(id, index);
}

Decision Scheduler::decide(size_t max) {
  Decision out;
  pass_time();
  keep_promises(out);
  if (stale_) pass(out, max);
  if (!stale_) resize(out);
  overdue_ = next_overdue();
  out.wake = next_wake();
  return out;
}

uint64_t Scheduler::service(ExperimentId id) const {
  if (auto held = held_.find(id); held != held_.end()) return service_now(held->second);
  auto kept = kept_.find(id);
  return kept == kept_.end() ? 0 : kept->second.service;
}

std::vector<NodeUse> Scheduler::nodes() const {
  std::vector<NodeUse> uses;
  for (const auto& node : nodes_.all()) uses.push_back({node.spec, node.used, node.jobs, {}});
  for (const auto& [id, held] : held_)
    for (const auto& job : held.jobs)
      if (auto index = nodes_.index_of(job.node); index < uses.size())
        if (auto& there = uses[index].experiments; there.empty() || there.back() != id)
          there.push_back(id);
  for (auto& use : uses) std::sort(use.experiments.begin(), use.experiments.end());
  return uses;
}

std::optional<NodeUse> Scheduler::node(std::string_view name) const {
  const auto* node = nodes_.find(name);
  if (node == nullptr) return std::nullopt;
  return NodeUse{node->spec, node->used, node->jobs, {}};
}

std::optional<size_t> Scheduler::position(ExperimentId id) const {
  if (promises_.contains(id)) return 0;
  if (!queue_.contains(id)) return std::nullopt;
  return queue_.ahead(id);
}

}  // namespace troupe::schedule
