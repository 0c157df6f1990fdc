#include "hpo/promotion.hpp"

#include <fmt/format.h>

#include <iterator>

namespace troupe::hpo {

Promotion::Promotion(EarlyStop rule) : Stopper{std::move(rule)} {
  auto resources = rungs_from(Stopper::rule().min, *Stopper::rule().max, Stopper::rule().eta);
  for (size_t i = 0; i + 1 < resources.size(); ++i) levels_.push_back({resources[i], {}, {}});
}

Verdict Promotion::judge(uint64_t trial, double resource, double value) {
  auto& passed = passed_[trial];
  auto before = passed;
  while (passed < levels_.size() && levels_[passed].resource <= resource)
    levels_[passed++].all.emplace(value, trial);
  if (passed == before) return {};
  if (rule().max && resource >= *rule().max) return {true, false, "", {}};
  auto& level = levels_[passed - 1];
  level.waiting.emplace(value, trial);
  at_.insert_or_assign(trial, std::pair{passed - 1, value});
  Verdict verdict;
  verdict.heard = true;
  if (promotable() == trial) {  // its own place would be given to it
    promote(trial);
    return verdict;
  }
  verdict.pause = true;
  auto rank = std::distance(level.all.begin(), level.all.find({value, trial})) + 1;
  verdict.reason = fmt::format(
      "asha-promote: {} is number {} of {} at the rung of {:.6g}, of "
      "which the best {} go on so far",
      at(resource, value), rank, level.all.size(), level.resource, level.all.size() / rule().eta);
  return verdict;
}

std::optional<uint64_t> Promotion::promotable() const {
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    auto best = level->all.size() / rule().eta;
    if (best == 0 || level->waiting.empty()) continue;
    const auto& first = *level->waiting.begin();
    // Those before it went on already, or will never.
    auto cut = std::next(level->all.begin(), static_cast<std::ptrdiff_t>(best - 1));
    if (first <= *cut) return first.second;
  }
  return std::nullopt;
}

void Promotion::promote(uint64_t trial) {
  auto waits = at_.find(trial);
  if (waits == at_.end()) return;
  auto [level, value] = waits->second;
  levels_[level].waiting.erase({value, trial});
  at_.erase(waits);
}

void Promotion::ended(uint64_t trial, Outcome) {
  promote(trial);
  passed_.erase(trial);
}

}  // namespace troupe::hpo
