#include "runtime/topology/choose_gpus.hpp"

#include <algorithm>
#include <utility>

namespace troupe::topology {

namespace {

/// More sets than these are not all looked at: the scheduler waits for the answer.
constexpr uint64_t sets_max = 2000;

uint64_t sets_of(uint64_t count, uint64_t all) {
  uint64_t sets = 1;
  for (uint64_t i = 0; i < count && sets <= sets_max; ++i) sets = sets * (all - i) / (i + 1);
  return sets;
}

class Chooser {
 public:
  Chooser(const std::vector<uint32_t>& near, uint32_t gpus, const std::vector<uint32_t>& idle,
          uint32_t count)
      : near_{near}, gpus_{gpus}, idle_{idle}, count_{count}, in_(idle.size(), false) {}

  std::vector<uint32_t> best() {
    if (sets_of(count_, idle_.size()) <= sets_max)
      each(0, 0);
    else
      grow();
    return best_;
  }

 private:
  using Score = std::pair<uint64_t, uint64_t>;

  uint64_t near(size_t a, size_t b) const { return near_[idle_[a] * size_t{gpus_} + idle_[b]]; }

  Score score() const {
    Score sum{0, 0};
    for (size_t a = 0; a < in_.size(); ++a)
      for (size_t b = a + 1; b < in_.size(); ++b)
        if (in_[a] == in_[b]) (in_[a] ? sum.first : sum.second) += near(a, b);
    return sum;
  }

  void offer() {
    auto here = score();
    if (!best_.empty() && here <= best_score_) return;
    best_score_ = here;
    best_.clear();
    for (size_t i = 0; i < in_.size(); ++i)
      if (in_[i]) best_.push_back(idle_[i]);
  }

  /// In lexical order, so that of equals the first stays.
  void each(size_t from, uint32_t chosen) {
    if (chosen == count_) return offer();
    for (size_t i = from; i + (count_ - chosen) <= in_.size(); ++i) {
      in_[i] = true;
      each(i + 1, chosen + 1);
      in_[i] = false;
    }
  }

  /// From each device as the first, always the one more that is nearest to those there are.
  void grow() {
    for (size_t first = 0; first < in_.size(); ++first) {
      std::fill(in_.begin(), in_.end(), false);
      in_[first] = true;
      for (uint32_t chosen = 1; chosen < count_; ++chosen) in_[nearest()] = true;
      offer();
    }
  }

  size_t nearest() const {
    size_t best = in_.size();
    std::pair<uint64_t, uint64_t> best_sums;
    for (size_t i = 0; i < in_.size(); ++i) {
      if (in_[i]) continue;
      uint64_t inside = 0, outside = 0;
      for (size_t other = 0; other < in_.size(); ++other)
        if (other != i) (in_[other] ? inside : outside) += near(i, other);
      // What is near to much that stays is taken from it last.
      std::pair sums{inside, ~outside};
      if (best == in_.size() || sums > best_sums) best = i, best_sums = sums;
    }
    return best;
  }

  const std::vector<uint32_t>& near_;
  uint32_t gpus_;
  const std::vector<uint32_t>& idle_;
  uint32_t count_;
  std::vector<bool> in_;
  std::vector<uint32_t> best_;
  Score best_score_;
};

}  // namespace

std::vector<uint32_t> choose_gpus(const std::vector<uint32_t>& near, uint32_t gpus,
                                  const std::vector<uint32_t>& idle, uint32_t count) {
  if (count >= idle.size()) return idle;
  bool known = near.size() == size_t{gpus} * gpus &&
               std::all_of(idle.begin(), idle.end(), [&](uint32_t gpu) { return gpu < gpus; });
  if (count == 0 || !known) return {idle.begin(), idle.begin() + count};
  return Chooser{near, gpus, idle, count}.best();
}

}  // namespace troupe::topology
