#include "actors/head/stragglers.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// Of one rank, in case another says nothing for long.
constexpr size_t seen_max = 64;
// Whatever a node says.
constexpr size_t ranks_max = 1u << 16;
// Of so many one is a matter of chance to the median.
constexpr size_t many = 32;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

bool Stragglers::update(const JobUpdate& update) {
  if (update.key.epoch < epoch_ || update.paces.empty()) return false;
  if (update.key.epoch > epoch_) *this = {}, epoch_ = update.key.epoch;
  bool told = std::any_of(update.paces.begin(), update.paces.end(),
                          [](const RankPace& pace) { return !pace.seen; });
  if (told && seen_) ranks_.clear(), looked_ = 0, seen_ = false;
  for (const auto& pace : update.paces)
    if (pace.seen == seen_) take(update.key.job.index, pace);
  return look();
}

void Stragglers::take(uint32_t job, const RankPace& pace) {
  if (ranks_.size() >= ranks_max && !ranks_.contains(pace.rank)) return;
  auto& seen = ranks_[pace.rank].seen;
  // Another line of `run`, or another communicator: all count anew.
  if (!seen.empty() && pace.calls < seen.back().calls) {
    for (auto& [number, rank] : ranks_) rank.seen.clear();
    looked_ = 0;
  }
  ranks_[pace.rank].job = job;
  if (!seen.empty() && pace.calls == seen.back().calls) return;
  seen.push_back(pace);
  if (seen.size() > seen_max) seen.pop_front();
}

/// Between two sights of a rank it went on evenly, as far as anybody knows.
std::optional<Stragglers::At> Stragglers::at(const Rank& rank, uint64_t calls) {
  auto after = std::find_if(rank.seen.begin(), rank.seen.end(),
                            [&](const RankPace& one) { return one.calls >= calls; });
  if (after == rank.seen.end()) return std::nullopt;
  auto of = [](const RankPace& one) {
    return At{static_cast<double>(one.waited_us), static_cast<double>(one.at_us)};
  };
  if (after->calls == calls) return of(*after);
  if (after == rank.seen.begin()) return std::nullopt;
  auto from = of(*(after - 1)), to = of(*after);
  auto part = static_cast<double>(calls - (after - 1)->calls) /
              static_cast<double>(after->calls - (after - 1)->calls);
  return At{from.waited_us + part * (to.waited_us - from.waited_us),
            from.time_us + part * (to.time_us - from.time_us)};
}

bool Stragglers::look() {
  uint64_t begin = looked_, end = UINT64_MAX;
  for (const auto& [number, rank] : ranks_) {
    if (rank.seen.empty()) return false;
    begin = std::max(begin, rank.seen.front().calls);
    end = std::min(end, rank.seen.back().calls);
  }
  if (ranks_.size() < 2 || begin >= end) return false;
  std::vector<double> waited, times;
  for (const auto& [number, rank] : ranks_) {
    auto first = at(rank, begin), last = at(rank, end);
    if (!first || !last) return false;
    waited.push_back(last->waited_us - first->waited_us);
    times.push_back(last->time_us - first->time_us);
    // Asked with every report: mostly one of them says that it is too soon.
    if (times.back() < static_cast<double>(part_us_min) / 2) return false;
  }
  auto time = median(times);
  if (time < static_cast<double>(part_us_min)) return false;
  bool changed = false;
  size_t place = 0;
  auto of_all = median(waited);
  auto of_others = [&](size_t but) {
    if (waited.size() > many) return of_all;
    auto others = waited;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(but));
    return median(std::move(others));
  };
  for (auto& [number, rank] : ranks_) {
    auto late = std::max(of_others(place) - waited[place], 0.0);
    ++place;
    rank.parts.push_back({late, end - begin, time});
    if (rank.parts.size() > parts_kept) rank.parts.pop_front();
    auto count = static_cast<size_t>(std::count_if(
        rank.parts.begin(), rank.parts.end(), [](const Part& part) { return part.is_late(); }));
    bool straggles = rank.straggles ? count > late_to_end : count >= late_to_begin;
    changed = changed || straggles != rank.straggles;
    rank.straggles = straggles;
    while (rank.seen.size() > 1 && rank.seen[1].calls <= end) rank.seen.pop_front();
  }
  looked_ = end;
  return changed;
}

std::vector<Straggler> Stragglers::late(const AttemptRecord& attempt) const {
  std::vector<Straggler> found;
  for (const auto& [number, rank] : ranks_) {
    if (!rank.straggles) continue;
    auto job = std::find_if(attempt.jobs.begin(), attempt.jobs.end(),
                            [&](const JobRecord& one) { return one.index == rank.job; });
    if (job == attempt.jobs.end()) continue;
    Part sum;
    for (const auto& part : rank.parts) {
      sum.late_us += part.late_us;
      sum.calls += part.calls;
      sum.time_us += part.time_us;
    }
    found.push_back(
        {number, job->node,
         seen_ ? 0 : static_cast<uint64_t>(sum.late_us / static_cast<double>(sum.calls)),
         std::min(sum.late_us / sum.time_us, 1.0)});
  }
  return found;
}

}  // namespace troupe::actors
