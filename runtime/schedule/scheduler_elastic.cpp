// Experiments with a range of workers: more of them while nobody else wants the room, fewer when
// somebody does. Only at a checkpoint, where a stop loses nothing but the start.
#include "runtime/schedule/clearing.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe::schedule {

void Scheduler::checkpointed(ExperimentId id) {
  auto held = held_.find(id);
  if (held == held_.end()) return;
  auto& one = held->second;
  one.interval = now_ - std::max(one.checkpoint, one.started);
  one.checkpoint = now_;
  const auto& request = one.request;
  if ((request.workers_min < request.workers_max || one.surplus) && request.preemptible)
    at_checkpoint_.push_back(id);
}

/// After a whole pass: whoever waits now has no room.
void Scheduler::resize(Decision& out) {
  for (auto id : std::exchange(at_checkpoint_, {})) {
    auto at = held_.find(id);
    if (at == held_.end()) continue;
    auto& held = at->second;
    if (held.stopping || (held.surplus && give_back(held, out))) continue;
    if (now_ < held.started + held.request.resize_after) continue;
    if (!grow(held, out)) shrink(held, out);
  }
}

bool Scheduler::grow(Held& held, Decision& out) {
  const auto& request = held.request;
  // One at a time: the next would count the same room.
  if (held.jobs.size() >= request.workers_max || queue_.first() != nullptr || !promises_.empty() ||
      growing_)
    return false;
  auto missing = request.workers_max - held.jobs.size();
  auto more = std::min<uint64_t>(nodes_.slots_free(request, missing), missing);
  if (more == 0) return false;
  out.preemptions.push_back({request.id, request.id,
                             fmt::format("there is room for {} workers instead of {}",
                                         held.jobs.size() + more, held.jobs.size())});
  stop(held);
  growing_ = request.id;
  return true;
}

bool Scheduler::shrink(Held& held, Decision& out) {
  auto* line = queue_.first();
  if (line == nullptr || held.jobs.size() <= held.request.workers_min) return false;
  auto request = *line->shape;
  request.id = queue_.first_id(*line);
  if (request.priority < held.request.priority) return false;
  Clearing room{nodes_, request};
  if (!room.clear(held.request, held.jobs) || !room.enough()) return false;
  Promise promise{request, line->first, line->rank, room.places(), {held.request.id}};
  Clearing own{nodes_, held.request};
  own.clear(held.request, held.jobs);
  own.take(request, promise.nodes);
  if (!own.enough()) return false;  // it would have to wait itself
  stop(held);
  out.preemptions.push_back(
      {held.request.id, request.id,
       fmt::format("gives workers to {}, which waits for room", to_string(request.id))});
  make_promise(std::move(promise));
  return true;
}

}  // namespace troupe::schedule
