#include "actors/worker/pulses.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::actors {

namespace {

constexpr auto every = std::chrono::seconds{1};

int64_t in_ms(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<Duration>(time).count();
}

}  // namespace

Pulses::Pulses(uint32_t first_rank, uint32_t ranks, Duration patience, Time now)
    : first_rank_{first_rank}, patience_{patience}, ranks_(ranks) {
  begin({}, now);
}

void Pulses::begin(std::vector<int32_t> pids, Time now) {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    ranks_[i] = Rank{};
    ranks_[i].last = ranks_[i].steady_since = now;
    if (i < pids.size()) ranks_[i].pid = pids[i];
  }
  last_due_ = now;
}

void Pulses::sign(Rank& rank, RankPulse::By by, Time now) {
  // One value told at the beginning is no habit: until the second, lines count as well.
  bool reports = by == RankPulse::By::metrics && ++rank.reports > 1;
  if (by != RankPulse::By::metrics && rank.by == RankPulse::By::metrics) return;
  if (rank.by == RankPulse::By::nothing || now - rank.last >= patience_) rank.steady_since = now;
  if (reports)
    rank.by = RankPulse::By::metrics;
  else if (by == RankPulse::By::calls)
    rank.by = by;
  else if (rank.by == RankPulse::By::nothing)
    rank.by = RankPulse::By::lines;
  rank.last = now;
  rank.looked = false;
  rank.stack.reset();
}

void Pulses::points(const std::string& source, const std::vector<WirePoint>& points, Time now) {
  if (points.empty() || ranks_.empty()) return;
  auto& seen = source == "file" ? file_seen_ : log_seen_;
  if (points.back().end <= seen) return;
  seen = points.back().end;
  ranks_.front().has_step = true;
  ranks_.front().step = points.back().step.value;
  sign(ranks_.front(), RankPulse::By::metrics, now);
}

void Pulses::lines(std::string_view records, uint64_t end, Time now) {
  auto begin = end - records.size();
  if (end <= lines_seen_) return;
  if (begin < lines_seen_) records.remove_prefix(lines_seen_ - begin);
  lines_seen_ = end;
  std::vector<bool> spoke(ranks_.size());
  while (!records.empty()) {
    auto record = records.substr(0, records.find('\n'));
    records.remove_prefix(std::min(records.size(), record.size() + 1));
    // "TIME RANKo F TEXT", RANKe for what went to stderr.
    auto space = record.find(' ');
    if (space == std::string_view::npos) continue;
    size_t rank = 0;
    auto parsed = std::from_chars(record.data() + space + 1, record.data() + record.size(), rank);
    if (parsed.ec == std::errc{} && rank < spoke.size()) spoke[rank] = true;
  }
  for (size_t i = 0; i < spoke.size(); ++i)
    if (spoke[i]) sign(ranks_[i], RankPulse::By::lines, now);
}

void Pulses::calls(const std::vector<RankPace>& paces, Time now) {
  for (const auto& pace : paces) {
    auto index = size_t{pace.rank} - first_rank_;
    if (!pace.seen && index < ranks_.size()) sign(ranks_[index], RankPulse::By::calls, now);
  }
}

std::vector<RankPulse> Pulses::due(Time now, const Looks& looks) {
  std::vector<RankPulse> pulses;
  if (now - last_due_ < every) return pulses;
  last_due_ = now;
  for (size_t i = 0; i < ranks_.size(); ++i) pulses.push_back(pulse(i, now, looks));
  return pulses;
}

RankPulse Pulses::pulse(size_t index, Time now, const Looks& looks) {
  auto& rank = ranks_[index];
  RankPulse pulse;
  pulse.rank = first_rank_ + static_cast<uint32_t>(index);
  pulse.by = rank.by;
  pulse.quiet_ms = in_ms(now - rank.last);
  pulse.steady_ms = in_ms(rank.last - rank.steady_since);
  pulse.has_step = rank.has_step;
  pulse.step = {rank.step};
  // Not worth a look before: it would be at every rank that is busy for a second.
  if (2 * (now - rank.last) < patience_ || rank.pid == 0) return pulse;
  auto seen = looks.process(rank.pid);
  if (!std::exchange(rank.looked, true)) {
    rank.cpu = seen.cpu;
    rank.stack = seen.busiest == 0 ? nullptr : looks.stack(seen.busiest);
  }
  auto wait = seen.busiest == 0 ? std::nullopt : looks.wait(seen.busiest);
  pulse.waits = wait && wait->now == process::WaitLook::Now::waits;
  pulse.process = fmt::format("{}; {} of CPU in the last {}", seen.text,
                              duration_text(std::max(seen.cpu - rank.cpu, Duration{0})),
                              duration_text(Duration{pulse.quiet_ms / 1000 * 1000}));
  if (auto stack = rank.stack ? rank.stack->text() : std::string{}; !stack.empty())
    pulse.process += "; in " + stack;
  return pulse;
}

}  // namespace troupe::actors
