// tpe_split: which trials are good and which are bad.
#include "hpo/tpe.hpp"

#include <algorithm>
#include <tuple>

namespace troupe::hpo {
namespace {

enum class Class : uint8_t { completed, stopped, running, bad };

Class class_of(const Trial& trial) {
  if (trial.is_running()) return Class::running;
  if (!trial.has_result() || trial.violation > 0) return Class::bad;
  return trial.outcome == Outcome::completed ? Class::completed : Class::stopped;
}

/// Smaller is better: class; violation among the bad; how far a stopped one came; value; number.
auto rank_of(const Trial& trial) {
  const auto kind = class_of(trial);
  const bool is_stopped = kind == Class::stopped;
  return std::tuple{kind,
                    trial.is_failed() ? 1 : 0,
                    kind == Class::bad ? trial.violation : 0.0,
                    is_stopped ? -trial.step : 0.0,
                    trial.has_result() ? trial.values[0] : 0.0,
                    trial.number};
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
  std::partial_sort(all.begin(), all.begin() + good, all.end(),
                    [](const Trial* a, const Trial* b) { return rank_of(*a) < rank_of(*b); });
  TpeSplit split;
  split.good.assign(all.begin(), all.begin() + good);
  split.bad.assign(all.begin() + good, all.end());
  by_number(split.good);
  by_number(split.bad);
  return split;
}

}  // namespace troupe::hpo
