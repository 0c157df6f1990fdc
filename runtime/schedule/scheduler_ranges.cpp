// Sets of which not all members are sure of a place: those beyond run where nobody else of their
// priority waits for the room, and give it back at a checkpoint, where a stop loses nothing but the
// start.
#include "runtime/schedule/clearing.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe::schedule {

namespace {

/// Whether one that waits comes before members that run beyond what their set is sure of.
bool goes_before(const Class& waiting, const Class& running) {
  return std::pair{waiting.priority, waiting.surplus} <
         std::pair{running.priority, running.surplus};
}

}  // namespace

void Scheduler::set_range(uint64_t set, uint32_t sure) {
  auto at = ranges_.find(set);
  if (sure == 0 && at == ranges_.end()) return;
  auto& range = ranges_[set];
  bool is_new = range.sure == 0;
  range.sure = sure == 0 ? UINT32_MAX : sure;
  if (is_new) {
    for (auto& [id, held] : held_)
      if (id.top == set && id.is_member() && !held.stopping) range.running.emplace(id, &held);
    for (const auto& [id, promise] : promises_)
      if (id.top == set && id.is_member()) range.running.emplace(id, nullptr);
  }
  settle_range(set, range);
  if (sure == 0) ranges_.erase(set);
  if (is_new || sure == 0)
    for (auto id : queue_.members_of(set)) {
      auto request = *queue_.find(id);
      auto sequence = queue_.sequence_of(id);
      auto level = queue_.rank_of(id)->level;
      queue_.remove(id);
      queue_ranged(std::move(request), level, sequence);
      queue_.set_possible(id, possible(*queue_.find(id)));
    }
  ++state_;
  stale_ = true;
}

/// Whether it would be one too many if it started now.
bool Scheduler::is_beyond(ExperimentId id) const {
  auto range = ranges_.find(id.top);
  return range != ranges_.end() && id.is_member() && range->second.full();
}

void Scheduler::queue_ranged(Request request, int32_t level, uint64_t sequence) {
  request.ranged = ranges_.contains(request.id.top) && request.id.is_member() ? request.id.top : 0;
  queue_.push(request, rank_of(request, level, is_beyond(request.id)), sequence);
}

void Scheduler::join_range(ExperimentId id, Held* held) {
  auto range = ranges_.find(id.top);
  if (range == ranges_.end() || !id.is_member()) return;
  range->second.running.insert_or_assign(id, held);
  settle_range(id.top, range->second);
}

void Scheduler::leave_range(ExperimentId id) {
  auto range = ranges_.find(id.top);
  if (range == ranges_.end() || range->second.running.erase(id) == 0) return;
  settle_range(id.top, range->second);
}

/// The first that were made are sure of their places.
void Scheduler::settle_range(uint64_t set, Range& range) {
  uint32_t place = 0;
  for (auto& [id, held] : range.running) {
    bool surplus = place++ >= range.sure;
    if (held == nullptr || held->surplus == surplus) continue;
    held->surplus = surplus;
    set_rank(*held);
  }
  if (std::exchange(range.was_full, range.full()) == range.full()) return;
  queue_.set_surplus(set, range.full());
  ++state_;
  stale_ = true;
}

/// Whether its next checkpoint may be counted on: by its pace so far, with as much again because no
/// pace is even.
bool Scheduler::is_due(const Held& held) const {
  return held.checkpoint != Time{0} && now_ <= held.checkpoint + 2 * held.interval;
}

std::optional<Time> Scheduler::next_overdue() const {
  if (collecting_.empty()) return std::nullopt;
  std::optional<Time> next;
  for (const auto& [set, range] : ranges_)
    for (const auto& [id, held] : range.running) {
      if (held == nullptr || !held->surplus || !is_due(*held)) continue;
      auto at = held->checkpoint + 2 * held->interval + Time{1};
      if (!next || at < *next) next = at;
    }
  return next;
}

/// Of all sets those that have to give way to one of that rank: lower priorities first, then
/// younger sets, then younger members.
std::vector<Scheduler::Held*> Scheduler::surplus_for(const Class& rank) const {
  std::vector<Held*> all;
  for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
    const auto& running = range->second.running;
    for (auto at = running.rbegin(); at != running.rend(); ++at) {
      auto* held = at->second;
      if (held == nullptr) continue;
      if (!held->surplus) break;
      if (held->request.preemptible && goes_before(rank, held->rank)) all.push_back(held);
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Held* a, const Held* b) {
    return a->rank.priority > b->rank.priority;
  });
  return all;
}

/// Those that make room for it, no more than needed; none where it has room, or they are not
/// enough. One that writes no checkpoints is not counted on. Those that stop for it already are not
/// among them, but their room is cleared.
std::vector<Scheduler::Held*> Scheduler::find_surplus(
    Clearing& room, const Class& rank, ExperimentId id,
    std::optional<ExperimentId> at_checkpoint) const {
  if (auto before = collecting_.find(id); before != collecting_.end())
    for (auto leaving : before->second)
      if (auto held = held_.find(leaving); held != held_.end())
        room.clear(held->second.request, held->second.jobs);
  std::vector<Held*> yielding;
  for (auto* held : surplus_for(rank)) {
    if (room.enough()) break;
    if (held->request.id.top == id.top) continue;
    if (held->request.id != at_checkpoint && !is_due(*held)) continue;
    if (room.clear(held->request, held->jobs)) yielding.push_back(held);
  }
  if (!room.enough()) return {};
  keep_needed(room, yielding);
  return yielding;
}

/// Whether it stops now for one that waits. Where that one needs the room of others, too, they
/// follow at their own checkpoints, and meanwhile nobody of their kind takes it.
bool Scheduler::give_back(Held& held, Decision& out) {
  constexpr size_t looked_max = 64;  // bounds one decision where very much waits
  size_t looked = 0;
  for (auto* line = queue_.first(); line != nullptr && looked < looked_max; ++looked) {
    auto rank = line->rank;
    auto sequence = line->first;
    if (!goes_before(rank, held.rank)) return false;
    auto request = *line->shape;
    request.id = queue_.first_id(*line);
    Clearing room{nodes_, request};
    auto yielding = find_surplus(room, rank, request.id, held.request.id);
    if (std::find(yielding.begin(), yielding.end(), &held) != yielding.end()) {
      out.preemptions.push_back(
          {held.request.id, request.id,
           fmt::format("gives its place to {}, beyond the {} that set {} is sure of",
                       to_string(request.id), ranges_.at(held.request.id.top).sure,
                       held.request.id.top)});
      auto& leaving = collecting_[request.id];
      leaving.push_back(held.request.id);
      stop(held);
      if (yielding.size() == 1)
        make_promise({request, sequence, rank, room.places(), std::exchange(leaving, {})});
      return true;
    }
    if (policy_.passing != Policy::Passing::any) return false;
    line = queue_.next(rank, sequence);
  }
  return false;
}

/// For those whose room does not come together any more.
void Scheduler::give_up_collecting() {
  std::erase_if(collecting_, [&](const auto& one) {
    auto request = queue_.find(one.first);
    if (!request) return true;
    Clearing room{nodes_, *request};
    find_surplus(room, *queue_.rank_of(one.first), one.first, std::nullopt);
    return !room.enough();
  });
}

bool Scheduler::is_collected_from(const Class& rank) const {
  if (rank.surplus == 0) return false;
  return std::any_of(collecting_.begin(), collecting_.end(), [&](const auto& one) {
    const auto* waiting = queue_.rank_of(one.first);
    return waiting != nullptr && goes_before(*waiting, rank);
  });
}

void Scheduler::explain_ranges(const Request& request, Explanation& out) const {
  const auto& rank = *queue_.rank_of(request.id);
  if (rank.surplus != 0) {
    auto sure = ranges_.at(request.ranged).sure;
    out.reasons.push_back(fmt::format(
        "{} of set {} run, as many as are sure of a place; beyond these it starts where "
        "nobody else waits for the room",
        sure, request.ranged));
    return;
  }
  if (nodes_.fits_now(request)) return;
  std::string due, silent;
  Clearing room{nodes_, request};
  for (auto* held : surplus_for(rank)) {
    if (room.enough()) break;
    if (held->request.id.top == request.id.top || !room.clear(held->request, held->jobs)) continue;
    auto& ids = is_due(*held) ? due : silent;
    ids += (ids.empty() ? "" : ", ") + to_string(held->request.id);
  }
  if (!due.empty())
    out.reasons.push_back(
        fmt::format("beyond the places that their sets are sure of run {}: each gives its place "
                    "back at its next checkpoint",
                    due));
  if (!silent.empty())
    out.reasons.push_back(
        fmt::format("beyond the places that their sets are sure of run {}: each gives its place "
                    "back when it writes a checkpoint, and no sooner",
                    silent));
}

}  // namespace troupe::schedule
