#include "hpo/patience.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::hpo {

Verdict Patience::judge(uint64_t trial, double resource, double value) {
  auto [it, is_first] = best_.try_emplace(trial, Best{value, resource});
  auto& best = it->second;
  if (is_first || value < best.value - rule().delta) {
    best = {value, resource};
    return {true, false, ""};
  }
  bool is_over = resource >= rule().min && resource - best.resource >= rule().patience;
  if (!is_over) return {};
  return {true, true,
          fmt::format("patience: {}, not better than {} for {:.6g} of {}", at(resource, value),
                      at(best.resource, best.value), resource - best.resource, rule().resource)};
}

void Patience::ended(uint64_t trial, Outcome) {
  best_.erase(trial);
}

}  // namespace troupe::hpo
