// One pass over the line: who starts, who may pass whom, who has to stop for whom.
#include "runtime/schedule/clearing.hpp"
#include "runtime/schedule/ranks.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::schedule {
namespace {

/// Whatever has no room for `b` has none for `a`.
bool asks_no_less(const Request& a, const Request& b) {
  return a.amount.milli_cpus >= b.amount.milli_cpus && a.amount.mem >= b.amount.mem &&
         a.amount.gpus >= b.amount.gpus && a.amount.gpu_share >= b.amount.gpu_share &&
         a.groups == b.groups && a.workers_min >= b.workers_min &&
         (b.gpu_type.empty() || a.gpu_type == b.gpu_type) && a.gpu_mem >= b.gpu_mem &&
         (b.labels.empty() || a.labels == b.labels);
}

}  // namespace

struct Scheduler::Pass {
  Decision& out;
  std::optional<Reservation> reserved;
  std::vector<TooMuch> no_room;  // without a reservation
  std::vector<TooMuch> no_victims;

  static bool is_too_much(const std::vector<TooMuch>& known, const Request& request,
                          const Class& rank) {
    return std::any_of(known.begin(), known.end(), [&](const TooMuch& one) {
      return rank >= one.rank && asks_no_less(request, one.shape);
    });
  }
  static void remember(std::vector<TooMuch>& known, const Request& request, const Class& rank) {
    constexpr size_t known_max = 16;  // beyond, looking through them costs what they save
    if (known.size() < known_max) known.push_back({request, rank});
  }
};

void Scheduler::pass(Decision& out, size_t max) {
  Pass now{out, {}, {}, {}};
  stale_ = false;
  give_up_collecting();
  for (auto* line = queue_.first(); line != nullptr;) {
    if (out.starts.size() >= max) {
      stale_ = true;
      break;
    }
    auto rank = line->rank;
    auto sequence = line->first;
    if (is_collected_from(rank)) {  // it would take back what was given
      line = queue_.next(rank, sequence);
      continue;
    }
    bool known = line->blocked == state_ && !now.reserved;  // that it does not fit
    if (!known || policy_.passing == Policy::Passing::backfill || rank.level < 0) {
      auto request = *line->shape;
      request.id = queue_.first_id(*line);
      auto places = known ? std::vector<JobPlace>{} : try_place(now, request);
      if (!places.empty()) {
        queue_.remove(request.id);
        collecting_.erase(request.id);
        start(request, sequence, rank, places);
        out.starts.push_back({request.id, std::move(places)});
      } else if (known || !preempt(now, request, rank, sequence)) {
        if (!now.reserved) line->blocked = state_;
        if (!go_past(now, request, rank)) break;
      }
    } else if (policy_.passing == Policy::Passing::none) {
      break;
    }
    line = queue_.next(rank, sequence);
  }
  if (now.reserved) apply(*now.reserved, true);
}

std::vector<JobPlace> Scheduler::try_place(Pass& now, const Request& request) {
  if (now.reserved && request.limit > Time{0} && now_ + request.limit <= now.reserved->at) {
    apply(*now.reserved, true);  // it is gone before that room is needed
    auto places = nodes_.place(request);
    apply(*now.reserved, false);
    keep_ranks(request, places);
    return places;
  }
  if (Pass::is_too_much(now.no_room, request, {})) return {};
  auto places = nodes_.place(request);
  if (places.empty() && !now.reserved) Pass::remember(now.no_room, request, {});
  keep_ranks(request, places);
  return places;
}

/// Whether those behind a request that does not fit may be looked at.
bool Scheduler::go_past(Pass& now, const Request& request, const Class& rank) {
  bool starves = rank.level < 0;
  if (policy_.passing == Policy::Passing::none) return false;
  if (now.reserved || (policy_.passing == Policy::Passing::any && !starves)) return true;
  now.reserved = reserve(request, rank);
  if (now.reserved) apply(*now.reserved, false);
  return now.reserved.has_value() || policy_.passing == Policy::Passing::any;
}

bool Scheduler::preempt(Pass& now, const Request& request, const Class& rank, uint64_t sequence) {
  if (!policy_.preempt || runs_.empty() || runs_.rbegin()->first.first <= rank) return false;
  if (Pass::is_too_much(now.no_victims, request, rank)) return false;
  Clearing room{nodes_, request};
  auto victims = find_victims(room, rank);
  if (victims.empty()) {
    Pass::remember(now.no_victims, request, rank);
    return false;
  }
  Promise promise{request, sequence, rank, room.places(), {}};
  for (auto* victim : victims) {
    const auto& held = *victim;
    auto cause = held.rank.priority > rank.priority ? "which has a higher priority"
                 : held.rank.share > rank.share     ? "whose owner used less"
                 : rank.level < 0                   ? "which has waited too long"
                                                    : "which has run less";
    promise.awaited.push_back(held.request.id);
    now.out.preemptions.push_back(
        {held.request.id, request.id,
         fmt::format("makes room for {}, {}", to_string(request.id), cause)});
    stop(*victim);
  }
  make_promise(std::move(promise));
  return true;
}

/// Running ones of a lower rank that would make room, the lowest and newest first and no more than
/// needed; none where all of them would not be enough.
std::vector<Scheduler::Held*> Scheduler::find_victims(Clearing& room, const Class& rank) const {
  // Bounds one decision where very much runs; whoever starves may look at all.
  const size_t looked_max = rank.level < 0 ? SIZE_MAX : 2048;
  std::vector<Held*> victims;
  size_t looked = 0;
  for (auto at = runs_.rbegin(); at != runs_.rend() && !room.enough(); ++at) {
    if (at->first.first <= rank || looked == looked_max) break;
    auto& held = *at->second;
    if (held.stopping || !held.request.preemptible || now_ < held.safe_until) continue;
    if (!room.clear(held.request, held.jobs)) continue;
    victims.push_back(&held);
    ++looked;
  }
  if (!room.enough()) return {};
  keep_needed(room, victims);
  return victims;
}

void Scheduler::keep_needed(Clearing& room, std::vector<Held*>& victims) {
  for (auto at = victims.end(); at != victims.begin();) {
    --at;
    room.unclear((*at)->request, (*at)->jobs);
    if (room.enough())
      at = victims.erase(at);
    else
      room.clear((*at)->request, (*at)->jobs);
  }
}

/// When the room for it comes at the latest, by what limits and slices say; none where they do not.
std::optional<Scheduler::Reservation> Scheduler::reserve(const Request& request,
                                                         const Class& rank) const {
  std::vector<std::tuple<Time, uint64_t, const Held*>> ends;
  for (const auto& [place, held] : runs_) {
    std::optional<Time> end;
    if (held->stopping) end = now_;
    if (held->request.limit > Time{0}) end = held->started + held->request.limit;
    bool yields = held->rank > rank ||
                  (rank.level < 0 && held->rescued && held->rank.priority == rank.priority);
    if (policy_.preempt && held->request.preemptible && yields)
      end = end ? std::min(*end, held->safe_until) : held->safe_until;
    if (end) ends.emplace_back(std::max(*end, now_), held->sequence, held);
  }
  std::sort(ends.begin(), ends.end());
  Clearing room{nodes_, request};
  Reservation reservation{request, now_, {}, {}};
  for (const auto& [end, sequence, held] : ends) {
    if (room.enough()) break;
    if (!room.clear(held->request, held->jobs)) continue;
    reservation.at = end;
    for (const auto& job : held->jobs)
      reservation.leaving.emplace_back(job.node, held->request.amount_at(job.index));
  }
  if (!room.enough()) return std::nullopt;
  reservation.nodes = room.places();
  return reservation;
}

/// The amount of each worker on its node.
void Scheduler::set_aside(const Request& request, const std::vector<std::string>& nodes,
                          bool take_back) {
  for (uint32_t worker = 0; worker < nodes.size(); ++worker)
    nodes_.promise(nodes[worker], request.amount_at(worker), take_back);
}

void Scheduler::apply(const Reservation& reservation, bool take_back) {
  set_aside(reservation.request, reservation.nodes, take_back);
  for (const auto& [node, amount] : reservation.leaving) nodes_.leave(node, amount, take_back);
}

void Scheduler::keep_promises(Decision& out) {
  for (auto at = promises_.begin(); at != promises_.end();) {
    auto& [id, promise] = *at;
    auto places = nodes_.place_on(promise.nodes, promise.request);
    if (places.empty() && !promise.awaited.empty()) {
      ++at;
      continue;
    }
    if (places.empty()) {  // a node was drained, or another took more than was known
      auto broken = id;
      ++at;
      break_promise(broken, true);
      continue;
    }
    set_aside(promise.request, promise.nodes, true);
    keep_ranks(promise.request, places);
    start(promise.request, promise.sequence, promise.rank, places);
    out.starts.push_back({id, std::move(places)});
    at = promises_.erase(at);
  }
}

/// For one that waits in the queue, and does not from here on.
void Scheduler::make_promise(Promise promise) {
  auto id = promise.request.id;
  set_aside(promise.request, promise.nodes, false);
  queue_.remove(id);
  collecting_.erase(id);
  promises_.emplace(id, std::move(promise));
  join_range(id, nullptr);
}

void Scheduler::break_promise(ExperimentId id, bool requeue) {
  auto promise = std::move(promises_.extract(id).mapped());
  set_aside(promise.request, promise.nodes, true);
  leave_range(id);
  if (requeue) {
    promise.rank.surplus = is_beyond(id) ? 1 : 0;
    queue_.push(promise.request, promise.rank, promise.sequence);
    queue_.set_possible(id, possible(promise.request));
  } else {
    count_wants(promise.request, -1);
    kept_.erase(id);
  }
  ++state_;
  stale_ = true;
}

}  // namespace troupe::schedule
