#include "hpo/percentile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {

namespace {

// Of each trial so many values are kept, however many steps it takes.
constexpr size_t looks_max = 4096;

}  // namespace

double percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  auto place = percent / 100 * static_cast<double>(values.size() - 1);
  auto low = static_cast<size_t>(place);
  auto high = std::min(low + 1, values.size() - 1);
  auto share = place - static_cast<double>(low);
  // The neighbours may be infinite, and their difference no number.
  if (share == 0 || values[low] == values[high]) return values[low];
  return values[low] + share * (values[high] - values[low]);
}

Percentile::Percentile(EarlyStop rule) : Stopper{std::move(rule)} {}

Verdict Percentile::judge(uint64_t trial, double resource, double value) {
  auto [it, is_first] = live_.try_emplace(trial, Curve{value, {}});
  auto& curve = it->second;
  auto look = static_cast<int64_t>(resource / rule().interval);
  auto before = curve.values.empty() ? -1 : curve.values.back().first;
  if (look == before || curve.values.size() >= looks_max) return {};
  curve.best = std::min(curve.best, value);
  curve.values.emplace_back(look, value);
  Verdict verdict{true, false, ""};
  if (resource < rule().min || ended_ < rule().start) return verdict;
  auto others = completed_.find(look);
  if (others == completed_.end()) return verdict;
  auto percent = rule().algorithm == "median" ? 50.0 : rule().percentile;
  auto cut = percentile(others->second, percent);
  verdict.stop = curve.best > cut;
  if (verdict.stop)
    verdict.reason = fmt::format(
        "{}: {}, its best so far {}, is beyond {}, the percentile {:.6g} of {} that completed",
        rule().algorithm, at(resource, value), shown(curve.best), shown(cut), percent,
        others->second.size());
  return verdict;
}

void Percentile::ended(uint64_t trial, Outcome outcome) {
  auto live = live_.extract(trial);
  if (outcome != Outcome::completed) return;
  ++ended_;
  if (live.empty()) return;
  for (auto [look, value] : live.mapped().values) completed_[look].push_back(value);
}

}  // namespace troupe::hpo
