#include "hpo/stopper.hpp"

#include "hpo/asha.hpp"
#include "hpo/hyperband.hpp"
#include "hpo/patience.hpp"
#include "hpo/pbt.hpp"
#include "hpo/percentile.hpp"
#include "hpo/promotion.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {

namespace {

const std::vector<std::string>& algorithms() {
  static const std::vector<std::string> names{"asha",       "hyperband", "bohb", "median",
                                              "percentile", "patience",  "pbt",  "asha-promote"};
  return names;
}

const std::vector<std::string>& keys() {
  static const std::vector<std::string> names{"algorithm", "resource",   "min",      "max",
                                              "eta",       "percentile", "start",    "interval",
                                              "patience",  "delta",      "quantile", "resample"};
  return names;
}

Error wrong(std::string_view key, std::string detail, std::string hint) {
  return {Errc::invalid, fmt::format("sweep.early_stop.{}", key), std::move(detail),
          std::move(hint)};
}

/// A number of the map, within bounds.
Result<void> number(const ValueMap& map, const char* key, double least, double most, double& out) {
  auto it = map.find(key);
  if (it == map.end()) return ok();
  if (!it->second.is_number() || !(it->second.as_number() >= least) ||
      !(it->second.as_number() <= most))
    return wrong(key, fmt::format("it is {}", json_text(it->second)),
                 fmt::format("give a number from {} to {}", least, most));
  out = it->second.as_number();
  return ok();
}

template <class Whole>
Result<void> whole(const ValueMap& map, const char* key, double least, double most, Whole& out) {
  double value = out;
  TROUPE_TRY(number(map, key, least, most, value));
  if (value != std::floor(value)) return wrong(key, "it is no whole number", "write digits alone");
  out = static_cast<Whole>(value);
  return ok();
}

}  // namespace

Result<EarlyStop> read_early_stop(const Value& value) {
  EarlyStop rule;
  if (!value.is_map())
    return Error{Errc::invalid, "sweep.early_stop", "it is no map", "write {algorithm: asha}"};
  const auto& map = value.as_map();
  for (const auto& [key, given] : map)
    if (std::find(keys().begin(), keys().end(), key) == keys().end())
      return wrong(key, "there is no such key", suggestion(key, keys()));
  auto name = map.find("algorithm");
  if (name == map.end() || !name->second.is_string())
    return wrong("algorithm", "it is missing", "write {algorithm: asha}");
  rule.algorithm = name->second.as_string();
  if (std::find(algorithms().begin(), algorithms().end(), rule.algorithm) == algorithms().end())
    return wrong("algorithm", fmt::format("there is no rule {}", rule.algorithm),
                 suggestion(rule.algorithm, algorithms()));
  if (auto it = map.find("resource"); it != map.end()) {
    if (!it->second.is_string() || it->second.as_string().empty())
      return wrong("resource", "it is no name", "name a metric that grows, such as epoch");
    rule.resource = it->second.as_string();
  }
  constexpr double most = 1e15;
  TROUPE_TRY(number(map, "min", 0, most, rule.min));
  if (map.contains("max")) TROUPE_TRY(number(map, "max", 0, most, rule.max.emplace()));
  TROUPE_TRY(whole(map, "eta", 2, 1000, rule.eta));
  TROUPE_TRY(number(map, "percentile", 0, 100, rule.percentile));
  TROUPE_TRY(whole(map, "start", 1, 1e6, rule.start));
  TROUPE_TRY(number(map, "interval", 1e-9, most, rule.interval));
  TROUPE_TRY(number(map, "patience", 1e-9, most, rule.patience));
  TROUPE_TRY(number(map, "delta", 0, most, rule.delta));
  TROUPE_TRY(number(map, "quantile", 0.01, 0.5, rule.quantile));
  TROUPE_TRY(number(map, "resample", 0, 1, rule.resample));
  if (rule.max && *rule.max < rule.min)
    return wrong("max", fmt::format("max {} is below min {}", *rule.max, rule.min),
                 "exchange them");
  bool in_rungs = rule.algorithm.starts_with("asha") || rule.algorithm == "hyperband" ||
                  rule.algorithm == "bohb";
  if (in_rungs && !rule.max)
    return wrong("max", fmt::format("{} has to know how far a trial goes", rule.algorithm),
                 fmt::format("add max: N, the {} at which a member ends by itself", rule.resource));
  if (in_rungs && rule.min <= 0)
    return wrong("min", "rungs grow from it by a factor", "give a min above 0");
  return rule;
}

Verdict Stopper::report(uint64_t trial, double resource, double value) {
  if (!std::isfinite(resource) || resource <= 0) return {};
  auto [known, is_first] = reached_.try_emplace(trial, 0);
  if (resource <= known->second) return {};  // told twice, or out of order
  known->second = resource;
  return judge(trial, resource, std::isfinite(value) ? value : HUGE_VAL);
}

void Stopper::end(uint64_t trial, Outcome outcome) {
  ended(trial, outcome);
  reached_.erase(trial);
}

double Stopper::reached(uint64_t trial) const {
  auto it = reached_.find(trial);
  return it == reached_.end() ? 0 : it->second;
}

std::string Stopper::shown(double value) const {
  if (std::isinf(value)) return "no number";
  return fmt::format("{:.6g}", maximize_ ? -value : value);
}

std::string Stopper::at(double resource, double value) const {
  return fmt::format("{} at {} {:.6g}", shown(value), rule_.resource, resource);
}

Result<std::unique_ptr<Stopper>> make_stopper(EarlyStop rule, bool maximize, uint64_t seed) {
  std::unique_ptr<Stopper> stopper;
  if (rule.algorithm == "asha")
    stopper = std::make_unique<Asha>(std::move(rule));
  else if (rule.algorithm == "hyperband" || rule.algorithm == "bohb")
    stopper = std::make_unique<Hyperband>(std::move(rule), seed);
  else if (rule.algorithm == "median" || rule.algorithm == "percentile")
    stopper = std::make_unique<Percentile>(std::move(rule));
  else if (rule.algorithm == "asha-promote")
    stopper = std::make_unique<Promotion>(std::move(rule));
  else if (rule.algorithm == "pbt")
    stopper = std::make_unique<Pbt>(std::move(rule), seed);
  else if (rule.algorithm == "patience")
    stopper = std::make_unique<Patience>(std::move(rule));
  else
    return wrong("algorithm", fmt::format("there is no rule {}", rule.algorithm),
                 suggestion(rule.algorithm, algorithms()));
  stopper->maximize_ = maximize;
  return stopper;
}

}  // namespace troupe::hpo
