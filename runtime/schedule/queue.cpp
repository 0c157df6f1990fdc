#include "runtime/schedule/queue.hpp"

#include "runtime/core/assert.hpp"

#include <algorithm>
#include <limits>

namespace troupe::schedule {
namespace {

constexpr auto before = [](const auto& entry, uint64_t sequence) {
  return entry.sequence < sequence;
};

}  // namespace

bool Queue::ShapeLess::operator()(const std::pair<Request, int32_t>& a,
                                  const std::pair<Request, int32_t>& b) const {
  auto key = [](const std::pair<Request, int32_t>& one) {
    const auto& r = one.first;
    return std::tie(r.priority, r.amount, r.workers_min, r.workers_max, r.gpu_type, r.gpu_mem,
                    r.user, r.project, r.labels, r.limit, r.preemptible, r.data, r.resize_after,
                    r.nodes_before, r.groups, r.ranged, one.second);
  };
  return key(a) < key(b);
}

bool Queue::push(const Request& request, Class rank, uint64_t sequence) {
  auto [place, is_new] = index_.try_emplace(request.id);
  if (!is_new) return false;
  if (sequence == 0) sequence = next_sequence_++;
  std::pair key{request, rank.level};
  auto at = lines_.find(key);
  if (at == lines_.end()) {
    key.first.id = {};
    key.first.service = 0;
    at = lines_.emplace(std::move(key), Entries{}).first;
    at->second.shape = &at->first.first;
    at->second.rank = rank;
    at->second.level = rank.level;
  }
  auto& line = at->second;
  place->second = {&line, sequence};
  bool is_first = line.entries.empty() || sequence < line.first;
  if (is_first && !line.entries.empty() && !line.parked) heads_.erase(order_of(line));
  if (line.entries.empty() || line.entries.back().sequence < sequence)
    line.entries.push_back({request.id, sequence});
  else
    line.entries.insert(
        std::lower_bound(line.entries.begin(), line.entries.end(), sequence, before),
        {request.id, sequence});
  if (is_first) {
    line.first = sequence;
    line.blocked = 0;
    if (!line.parked) heads_.emplace(order_of(line), &line);
  }
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

void Queue::erase(Entries& line, uint64_t sequence) {
  auto at = std::lower_bound(line.entries.begin(), line.entries.end(), sequence, before);
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
  if (line.entries.empty()) {
    lines_.erase(lines_.find({*line.shape, line.level}));
    return;
  }
  line.first = line.entries.front().sequence;
  if (!line.parked) heads_.emplace(order_of(line), &line);
}

std::optional<Request> Queue::find(ExperimentId id) const {
  auto at = index_.find(id);
  if (at == index_.end()) return std::nullopt;
  auto request = *at->second.line->shape;
  request.id = id;
  return request;
}

const Class* Queue::rank_of(ExperimentId id) const {
  auto at = index_.find(id);
  return at == index_.end() ? nullptr : &at->second.line->rank;
}

uint64_t Queue::sequence_of(ExperimentId id) const {
  auto at = index_.find(id);
  return at == index_.end() ? 0 : at->second.sequence;
}

Queue::Line* Queue::first() {
  return heads_.empty() ? nullptr : heads_.begin()->second;
}

Queue::Line* Queue::next(const Class& rank, uint64_t sequence) {
  auto at = heads_.upper_bound({rank, sequence});
  return at == heads_.end() ? nullptr : at->second;
}

ExperimentId Queue::first_id(const Line& line) const {
  return static_cast<const Entries&>(line).entries.front().id;
}

void Queue::set_parked(Entries& line, bool parked) {
  if (line.parked == parked) return;
  if (parked)
    heads_.erase(order_of(line));
  else
    heads_.emplace(order_of(line), &line);
  line.parked = parked;
}

void Queue::set_possible(ExperimentId id, bool possible) {
  auto at = index_.find(id);
  if (at != index_.end()) set_parked(*at->second.line, !possible);
}

void Queue::set_surplus(uint64_t set, bool surplus) {
  for (auto& [key, line] : lines_) {
    if (key.first.ranged != set) continue;
    if (!line.parked) heads_.erase(order_of(line));
    line.rank.surplus = surplus ? 1 : 0;
    line.blocked = 0;
    if (!line.parked) heads_.emplace(order_of(line), &line);
  }
}

std::vector<ExperimentId> Queue::members_of(uint64_t set) const {
  std::vector<ExperimentId> ids;
  for (const auto& [id, where] : index_)
    if (id.top == set && id.is_member()) ids.push_back(id);
  return ids;
}

size_t Queue::live_before(const Entries& line, uint64_t sequence) {
  auto end = std::lower_bound(line.entries.begin(), line.entries.end(), sequence, before);
  auto count = static_cast<size_t>(end - line.entries.begin());
  if (line.gone == 0) return count;
  return count - static_cast<size_t>(std::count_if(line.entries.begin(), end,
                                                   [](const Entry& e) { return e.id.top == 0; }));
}

bool Queue::all_before(const Entries& line, const Where& where) {
  return line.rank < where.line->rank;
}

bool Queue::none_before(const Entries& line, const Where& where) {
  // A parked shape holds up nobody, except those of its own that came later.
  return line.rank > where.line->rank || (line.parked && &line != where.line);
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

std::vector<Request> Queue::fronts(size_t count) const {
  std::vector<Request> out;
  for (const auto& [order, line] : heads_) {
    if (out.size() == count) break;
    out.push_back(*line->shape);
    out.back().id = first_id(*line);
  }
  return out;
}

std::vector<ExperimentId> Queue::first_ahead(ExperimentId id, size_t count) const {
  auto at = index_.find(id);
  if (at == index_.end()) return {};
  std::vector<std::tuple<Class, uint64_t, ExperimentId>> found;
  for (const auto& [shape, line] : lines_) {
    if (none_before(line, at->second)) continue;
    auto end =
        all_before(line, at->second) ? std::numeric_limits<uint64_t>::max() : at->second.sequence;
    size_t taken = 0;
    for (const auto& entry : line.entries) {
      if (taken == count || entry.sequence >= end) break;
      if (entry.id.top == 0) continue;
      found.emplace_back(line.rank, entry.sequence, entry.id);
      ++taken;
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<ExperimentId> ids;
  for (const auto& [rank, sequence, one] : found)
    if (ids.size() < count) ids.push_back(one);
  return ids;
}

}  // namespace troupe::schedule
