// What runs: the service it receives, how that changes its rank, and what time alone changes.
#include "runtime/schedule/scheduler.hpp"

#include <algorithm>

namespace troupe::schedule {

uint64_t Scheduler::service_now(const Held& held) const {
  return held.service + held.rate * static_cast<uint64_t>((now_ - held.since).count());
}

Scheduler::Held& Scheduler::hold(const Request& request, uint64_t sequence) {
  auto& held = held_[request.id];
  held.request = request;
  held.sequence = sequence != 0 ? sequence : queue_.take_sequence();
  held.since = held.started = now_;
  held.safe_until = now_ + policy_.slice;
  held.service = request.service;
  held.rank = rank_of(request, level_of(held.service), false);
  runs_.emplace(std::pair{held.rank, held.sequence}, &held);
  count_wants(request, 1);
  join_range(request.id, &held);
  return held;
}

void Scheduler::start(const Request& request, uint64_t sequence, const Class& rank,
                      std::vector<JobPlace> places) {
  auto& held = hold(request, sequence);
  count_wants(request, -1);  // as one that waits
  if (rank.level < 0) {
    held.rescued = true;
    held.safe_until = now_ + std::max(policy_.slice, policy_.rescue_slice);
  }
  if (auto kept = kept_.find(request.id); kept != kept_.end()) {
    held.service = std::max(held.service, kept->second.service);
    kept_.erase(kept);
  }
  held.jobs = std::move(places);
  settle(held);
}

/// To be called after its jobs changed, and whenever its rank may have.
void Scheduler::settle(Held& held) {
  held.service = service_now(held);
  held.since = now_;
  uint64_t rate = 0;
  for (const auto& job : held.jobs) rate += service_rate(held.request.amount_at(job.index), 1);
  if (policy_.fair_share && rate != held.rate)
    shares_.rate(held.request, static_cast<int64_t>(rate) - static_cast<int64_t>(held.rate), now_);
  held.rate = rate;
  set_rank(held);
  set_timer(held);
}

void Scheduler::set_rank(Held& held) {
  if (held.rescued && now_ >= held.safe_until) held.rescued = false;
  auto rank = rank_of(held.request, held.rescued ? -1 : level_of(held.service), held.surplus);
  if (rank == held.rank) return;
  auto handle = runs_.extract({held.rank, held.sequence});
  held.rank = rank;
  handle.key() = {rank, held.sequence};
  runs_.insert(std::move(handle));
}

void Scheduler::set_timer(Held& held) {
  if (!policy_.preempt) return;
  Time next{0};
  if (held.safe_until > now_) next = held.safe_until;
  auto level = static_cast<size_t>(level_of(held.service));
  if (held.rate != 0 && level < policy_.level_limits.size()) {
    auto missing = policy_.level_limits[level] - held.service;
    auto at = now_ + Time{static_cast<int64_t>((missing + held.rate - 1) / held.rate)};
    if (next == Time{0} || at < next) next = at;
  }
  if (next == held.timer) return;
  if (held.timer != Time{0}) timers_.erase({held.timer, held.request.id});
  held.timer = next;
  if (next != Time{0}) timers_.emplace(next, held.request.id);
}

void Scheduler::end_run(std::unordered_map<ExperimentId, Held>::iterator at) {
  auto& held = at->second;
  runs_.erase({held.rank, held.sequence});
  if (held.timer != Time{0}) timers_.erase({held.timer, held.request.id});
  count_wants(held.request, -1);
  if (growing_ == at->first) growing_.reset();
  if (held.stopping) {
    // It comes back to the queue unless it ended by itself meanwhile: those are dropped in time.
    constexpr size_t kept_max = 1024;
    constexpr Time kept_for = std::chrono::hours{1};
    if (stopped_.size() >= kept_max)
      std::erase_if(stopped_, [&](const auto& one) { return one.second.at + kept_for < now_; });
    stopped_[at->first] = {held.sequence, held.service, now_};
    for (auto& [id, promise] : promises_) std::erase(promise.awaited, at->first);
  }
  auto id = at->first;
  held_.erase(at);
  for (auto& [other, leaving] : collecting_) std::erase(leaving, id);
  leave_range(id);
}

/// It is to stop; until it has, its resources are its own.
void Scheduler::stop(Held& held) {
  held.stopping = true;
  for (const auto& job : held.jobs)
    nodes_.leave(job.node, held.request.amount_at(job.index), false);
  leave_range(held.request.id);
}

void Scheduler::pass_time() {
  bool waits = waiting() != 0;
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    auto& held = held_.at(timers_.begin()->second);
    timers_.erase(timers_.begin());
    held.timer = Time{0};
    settle(held);
    if (waits) ++state_, stale_ = true;
  }
  if (policy_.fair_share && now_ >= next_stock_) {
    constexpr Time stock_every = std::chrono::minutes{1};
    next_stock_ = now_ + stock_every;
    if (shares_.refresh(now_)) {
      queue_.reorder([&](const Request& shape) { return shares_.standing(shape); });
      for (auto& [id, held] : held_) set_rank(held);
      ++state_;
      stale_ = true;
    }
  }
  if (overdue_ && *overdue_ <= now_) ++state_, stale_ = true;
  if (policy_.starving_after > Time{0}) rescue_starving();
}

void Scheduler::rescue_starving() {
  // Those that started meanwhile are left behind in the list: without this it would grow with all
  // that comes and goes in so long a time.
  if (constexpr size_t slack = 1024; arrivals_.size() > 2 * queue_.size() + slack)
    std::erase_if(arrivals_, [&](const auto& one) { return !queue_.contains(one.second); });
  while (!arrivals_.empty() && arrivals_.front().first + policy_.starving_after <= now_) {
    auto [since, id] = arrivals_.front();
    arrivals_.pop_front();
    auto request = queue_.find(id);
    if (!request) continue;
    if (auto kept = kept_.find(id); kept != kept_.end() && kept->second.since != since)
      continue;           // it ran meanwhile
    if (is_beyond(id)) {  // nothing is owed to it
      arrivals_.emplace_back(now_, id);
      continue;
    }
    auto sequence = queue_.sequence_of(id);
    queue_.remove(id);
    queue_.push(*request, rank_of(*request, -1, false), sequence);
    queue_.set_possible(id, possible(*request));
    stale_ = true;
  }
}

std::optional<Time> Scheduler::next_wake() const {
  if (waiting() == 0) return std::nullopt;
  std::optional<Time> next;
  auto earlier = [&](Time at) {
    if (!next || at < *next) next = at;
  };
  if (!timers_.empty()) earlier(timers_.begin()->first);
  if (!arrivals_.empty()) earlier(arrivals_.front().first + policy_.starving_after);
  if (policy_.fair_share && shares_.contended()) earlier(next_stock_);
  if (overdue_) earlier(*overdue_);
  return next;
}

}  // namespace troupe::schedule
