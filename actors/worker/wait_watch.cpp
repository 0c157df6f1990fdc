#include "actors/worker/wait_watch.hpp"

#include <algorithm>

namespace troupe::actors {

void WaitWatch::begin(const std::vector<int32_t>& pids, Time now) {
  ranks_.assign(pids.size(), {});
  for (size_t i = 0; i < pids.size(); ++i) ranks_[i].pid = pids[i];
  begun_ = now;
  spans_ = 0;
}

/// The process that has computed most may be another than before: a shell comes first.
void WaitWatch::begin_span(Time now, const Busiest& busiest, const Look& look) {
  begun_ = now;
  ++spans_;
  for (auto& rank : ranks_) {
    rank.main = rank.pid == 0 ? 0 : busiest(rank.pid).busiest;
    auto seen = rank.main == 0 ? std::nullopt : look(rank.main);
    rank.known = seen.has_value();
    rank.busy = seen ? seen->busy : std::chrono::nanoseconds{0};
    rank.waits = rank.others = 0;
  }
}

std::vector<RankPace> WaitWatch::look(Time now, const Busiest& busiest, const Look& look) {
  std::vector<RankPace> paces;
  bool over = now - begun_ >= span;
  auto in_us = [](auto time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  for (size_t i = 0; i < ranks_.size(); ++i) {
    auto& rank = ranks_[i];
    if (rank.main == 0 || !rank.known) continue;
    auto seen = look(rank.main);
    rank.known = seen.has_value();
    if (!seen) continue;
    rank.waits += seen->now == process::WaitLook::Now::waits ? 1 : 0;
    rank.others += seen->now == process::WaitLook::Now::other ? 1 : 0;
    if (!over) continue;
    auto idle = std::max(now - begun_ - (seen->busy - rank.busy), std::chrono::nanoseconds{0});
    if (auto looks = rank.waits + rank.others; looks > 0) rank.waited += idle * rank.waits / looks;
    paces.push_back({first_rank_ + static_cast<uint32_t>(i), spans_,
                     static_cast<uint64_t>(in_us(rank.waited)), in_us(now), true});
  }
  if (over) begin_span(now, busiest, look);
  return paces;
}

}  // namespace troupe::actors
