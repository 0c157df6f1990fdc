#include "actors/head/node_failures.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

// The jobs of a node that is lost, or of a launcher that dies, are heard of within a moment.
constexpr int64_t one_cause_us = 2'000'000;
// Enough for people to see; the rules ask for a few.
constexpr size_t kept = 20;
constexpr size_t text_max = 300;

}  // namespace

void NodeFailures::add(NodeFailure failure, const NodeRules& rules) {
  expire(failure.time, rules);
  failure.what = failure.what.substr(0, text_max);
  bool same_cause = std::any_of(list_.begin(), list_.end(), [&](const NodeFailure& other) {
    return other.what == failure.what && failure.time.us - other.time.us < one_cause_us;
  });
  if (same_cause) return;
  std::erase_if(list_,
                [&](const NodeFailure& other) { return other.experiment == failure.experiment; });
  list_.push_back(std::move(failure));
  if (list_.size() > kept) list_.erase(list_.begin());
}

void NodeFailures::expire(Timestamp now, const NodeRules& rules) {
  auto oldest = now.us - std::chrono::microseconds{rules.failures_within}.count();
  std::erase_if(list_, [&](const NodeFailure& each) { return each.time.us < oldest; });
}

std::vector<std::string> NodeFailures::texts() const {
  std::vector<std::string> texts;
  for (const auto& each : list_)
    texts.push_back(
        fmt::format("{} {}: {}", rfc3339(each.time), to_string(each.experiment), each.what));
  return texts;
}

std::string NodeFailures::summary() const {
  std::string ids;
  for (const auto& each : list_) ids += (ids.empty() ? "" : ", ") + to_string(each.experiment);
  return fmt::format("{} experiments failed by its fault: {}", list_.size(), ids);
}

Value NodeFailures::to_value() const {
  ValueList list;
  for (const auto& each : list_)
    list.push_back(ValueMap{{"time_us", each.time.us},
                            {"experiment", to_string(each.experiment)},
                            {"what", each.what}});
  return list;
}

NodeFailures NodeFailures::from(const Value& value) {
  NodeFailures failures;
  if (!value.is_list()) return failures;
  for (const auto& item : value.as_list()) {
    const auto* time = item.find("time_us");
    const auto* experiment = item.find("experiment");
    const auto* what = item.find("what");
    if (time == nullptr || !time->is_int() || experiment == nullptr || what == nullptr) continue;
    auto id = parse_experiment_id(experiment->to_text());
    if (id) failures.list_.push_back({Timestamp{time->as_int()}, *id, what->to_text()});
  }
  return failures;
}

}  // namespace troupe::actors
