#include "runtime/schedule/queue.hpp"

#include "runtime/core/assert.hpp"

#include <algorithm>
#include <limits>

namespace troupe::schedule {

bool Queue::ShapeLess::operator()(const Request& a, const Request& b) const {
  return std::tie(a.priority, a.amount, a.workers_min, a.workers_max, a.gpu_type, a.user,
                  a.project) < std::tie(b.priority, b.amount, b.workers_min, b.workers_max,
                                        b.gpu_type, b.user, b.project);
}

Queue::Order Queue::order_of(Line& line) {
  return {-line.shape->priority, line.entries.front().sequence, &line};
}

bool Queue::push(const Request& request) {
  auto [place, is_new] = index_.try_emplace(request.id);
  if (!is_new) return false;
  auto at = lines_.find(request);
  if (at == lines_.end()) {
    auto shape = request;
    shape.id = {};
    at = lines_.emplace(std::move(shape), Line{}).first;
    at->second.shape = &at->first;
  }
  auto& line = at->second;
  line.entries.push_back({request.id, next_sequence_});
  place->second = {&line, next_sequence_++};
  if (line.entries.size() == 1 && !line.parked) heads_.insert(order_of(line));
  return true;
}

bool Queue::remove(ExperimentId id) {
  auto at = index_.find(id);
  if (at == index_.end()) return false;
  auto where = at->second;
  index_.erase(at);
  erase(*where.line, where.sequence);
  return true;
}

void Queue::erase(Line& line, uint64_t sequence) {
  auto at = std::lower_bound(line.entries.begin(), line.entries.end(), sequence,
                             [](const Entry& entry, uint64_t s) { return entry.sequence < s; });
  TROUPE_ASSERT(at != line.entries.end() && at->sequence == sequence, "index and line differ");
  if (at != line.entries.begin()) {
    at->id = {};
    ++line.gone;
    // Compacting at half keeps the memory within twice what waits, at a constant cost per removal.
    if (line.gone > line.entries.size() / 2) {
      std::erase_if(line.entries, [](const Entry& entry) { return entry.id.top == 0; });
      line.entries.shrink_to_fit();
      line.gone = 0;
    }
    return;
  }
  if (!line.parked) heads_.erase(order_of(line));
  line.entries.pop_front();
  while (!line.entries.empty() && line.entries.front().id.top == 0) {
    line.entries.pop_front();
    --line.gone;
  }
  if (line.entries.empty())
    lines_.erase(*line.shape);
  else if (!line.parked)
    heads_.insert(order_of(line));
}

std::optional<Request> Queue::find(ExperimentId id) const {
  auto at = index_.find(id);
  if (at == index_.end()) return std::nullopt;
  auto request = *at->second.line->shape;
  request.id = id;
  return request;
}

std::optional<Queue::Head> Queue::head() const {
  if (heads_.empty()) return std::nullopt;
  const auto& line = *std::get<2>(*heads_.begin());
  Head head{*line.shape, line.entries.front().sequence};
  head.request.id = line.entries.front().id;
  return head;
}

std::optional<uint64_t> Queue::head_sequence() const {
  if (heads_.empty()) return std::nullopt;
  return std::get<1>(*heads_.begin());
}

void Queue::set_parked(Line& line, bool parked) {
  if (line.parked == parked) return;
  if (parked)
    heads_.erase(order_of(line));
  else
    heads_.insert(order_of(line));
  line.parked = parked;
}

void Queue::set_possible(ExperimentId id, bool possible) {
  auto at = index_.find(id);
  if (at != index_.end()) set_parked(*at->second.line, !possible);
}

size_t Queue::live_before(const Line& line, uint64_t sequence) {
  auto end = std::lower_bound(line.entries.begin(), line.entries.end(), sequence,
                              [](const Entry& entry, uint64_t s) { return entry.sequence < s; });
  auto count = static_cast<size_t>(end - line.entries.begin());
  if (line.gone == 0) return count;
  return count - static_cast<size_t>(std::count_if(line.entries.begin(), end,
                                                   [](const Entry& e) { return e.id.top == 0; }));
}

bool Queue::all_before(const Line& line, const Where& where) {
  return line.shape->priority > where.line->shape->priority;
}

bool Queue::none_before(const Line& line, const Where& where) {
  // A parked shape holds up nobody, except those of its own that came later.
  return line.shape->priority < where.line->shape->priority || (line.parked && &line != where.line);
}

size_t Queue::ahead(ExperimentId id) const {
  auto at = index_.find(id);
  if (at == index_.end()) return 0;
  size_t count = 0;
  for (const auto& [shape, line] : lines_) {
    if (none_before(line, at->second)) continue;
    count += all_before(line, at->second) ? line.entries.size() - line.gone
                                          : live_before(line, at->second.sequence);
  }
  return count;
}

std::vector<ExperimentId> Queue::first_ahead(ExperimentId id, size_t count) const {
  auto at = index_.find(id);
  if (at == index_.end()) return {};
  std::vector<std::tuple<int32_t, uint64_t, ExperimentId>> found;
  for (const auto& [shape, line] : lines_) {
    if (none_before(line, at->second)) continue;
    auto end =
        all_before(line, at->second) ? std::numeric_limits<uint64_t>::max() : at->second.sequence;
    size_t taken = 0;
    for (const auto& entry : line.entries) {
      if (taken == count || entry.sequence >= end) break;
      if (entry.id.top == 0) continue;
      found.emplace_back(-shape.priority, entry.sequence, entry.id);
      ++taken;
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<ExperimentId> ids;
  for (const auto& [priority, sequence, one] : found)
    if (ids.size() < count) ids.push_back(one);
  return ids;
}

}  // namespace troupe::schedule
