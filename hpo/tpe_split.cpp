// tpe_split: which trials are good and which are bad.
#include "hpo/pareto.hpp"
#include "hpo/tpe.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

namespace troupe::hpo {
namespace {

enum class Class : uint8_t { completed, stopped, running, bad };

Class class_of(const Trial& trial) {
  if (trial.is_running()) return Class::running;
  if (!trial.has_result() || trial.violation > 0) return Class::bad;
  return trial.outcome == Outcome::completed ? Class::completed : Class::stopped;
}

/// Smaller is better: class; violation among the bad; how far a stopped one came; `value`; number.
auto rank_of(const Trial& trial, double value) {
  const auto kind = class_of(trial);
  const bool is_stopped = kind == Class::stopped;
  return std::tuple{kind,
                    trial.is_failed() ? 1 : 0,
                    kind == Class::bad ? trial.violation : 0.0,
                    is_stopped ? -trial.step : 0.0,
                    value,
                    trial.number};
}

using Standing = std::unordered_map<const Trial*, double>;

/// What stands for a value where there are several: the place in the order of fronts. Of the front
/// in which the `good`-th stands, those that dominate most together come first.
Standing standing_of(const std::vector<const Trial*>& trials, size_t good) {
  std::vector<const Trial*> ranked;
  std::vector<Candidate> candidates;
  for (const auto* trial : trials)
    if (class_of(*trial) == Class::completed) {
      ranked.push_back(trial);
      candidates.push_back({trial->values, 0});
    }
  const auto ranks = domination_ranks(candidates);
  std::map<uint32_t, std::vector<size_t>> fronts;
  for (size_t i = 0; i < ranked.size(); ++i) fronts[ranks[i]].push_back(i);
  Standing standing;
  size_t before = 0;
  for (const auto& [rank, front] : fronts) {
    const bool is_cut = before < good && before + front.size() > good;
    for (auto i : front) standing[ranked[i]] = 2.0 * rank + (is_cut ? 1 : 0);
    if (is_cut) {
      std::vector<Values> values;
      for (auto i : front) values.push_back(candidates[i].values);
      for (auto k : hypervolume_subset(values, reference_beyond(values), good - before))
        standing[ranked[front[k]]] = 2.0 * rank;
    }
    before += front.size();
  }
  return standing;
}

void by_number(std::vector<const Trial*>& trials) {
  std::sort(trials.begin(), trials.end(),
            [](const Trial* a, const Trial* b) { return a->number < b->number; });
}

}  // namespace

uint64_t tpe_good_count(uint64_t finished) {
  return std::min<uint64_t>((finished + 9) / 10, 25);
}

TpeSplit tpe_split(const TrialLedger& ledger, bool liar) {
  std::vector<const Trial*> all;
  uint64_t finished = 0;
  for (const auto& trial : ledger.trials()) {
    if (trial.outcome == Outcome::cancelled || trial.positions.empty()) continue;
    if (trial.is_running() && !liar) continue;
    if (trial.has_result()) ++finished;
    all.push_back(&trial);
  }
  const auto good = static_cast<std::ptrdiff_t>(tpe_good_count(finished));
  Standing standing;
  if (ledger.objectives() > 1) standing = standing_of(all, static_cast<size_t>(good));
  auto value_of = [&](const Trial& trial) {
    if (!trial.has_result()) return 0.0;
    auto found = standing.find(&trial);
    return found == standing.end() ? trial.values[0] : found->second;
  };
  std::partial_sort(all.begin(), all.begin() + good, all.end(), [&](auto* a, auto* b) {
    return rank_of(*a, value_of(*a)) < rank_of(*b, value_of(*b));
  });
  TpeSplit split;
  split.good.assign(all.begin(), all.begin() + good);
  split.bad.assign(all.begin() + good, all.end());
  by_number(split.good);
  by_number(split.bad);
  return split;
}

}  // namespace troupe::hpo
