#include "actors/head/retention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace troupe::actors {

namespace {

Duration age_of(Timestamp since, Timestamp now) {
  return std::chrono::duration_cast<Duration>(std::chrono::microseconds{now.us - since.us});
}

/// Of the members of each set the numbers of places: 1 is the best. Equal ones: the lower number.
std::map<ExperimentId, size_t> places(const std::vector<OutputFacts>& all) {
  std::map<uint64_t, std::vector<const OutputFacts*>> sets;
  for (const auto& one : all)
    if (one.ranked) sets[one.id.top].push_back(&one);
  std::map<ExperimentId, size_t> places;
  for (auto& [top, members] : sets) {
    auto worth = [](const OutputFacts& one) {
      return one.score && !std::isnan(*one.score) ? *one.score
                                                  : -std::numeric_limits<double>::infinity();
    };
    std::sort(members.begin(), members.end(), [&](const auto* a, const auto* b) {
      return worth(*a) != worth(*b) ? worth(*a) > worth(*b) : a->id < b->id;
    });
    for (size_t i = 0; i < members.size(); ++i) places[members[i]->id] = i + 1;
  }
  return places;
}

/// The newest of each project, as many as its rules keep.
std::set<uint64_t> newest(const RetentionRules& rules, const std::vector<OutputFacts>& all) {
  std::map<std::string, std::set<uint64_t, std::greater<>>> tops;
  for (const auto& one : all) tops[one.project].insert(one.id.top);
  std::set<uint64_t> kept;
  for (const auto& [project, ids] : tops) {
    auto left = rules.of(project).keep_last.value_or(0);
    for (auto at = ids.begin(); at != ids.end() && left > 0; ++at, --left) kept.insert(*at);
  }
  return kept;
}

}  // namespace

std::vector<OutputVerdict> judge_outputs(const RetentionRules& rules,
                                         const std::vector<OutputFacts>& all, Timestamp now) {
  auto place = places(all);
  auto last = newest(rules, all);
  auto judge = [&](const OutputFacts& one) -> OutputVerdict {
    const auto& rule = rules.of(one.project);
    if (!rule.any()) return {one.id, false, ""};
    if (!one.ended) return {one.id, false, "not all of it has ended"};
    if (!one.held.empty()) return {one.id, false, one.held};
    if (one.ranked && rule.keep_best) {
      auto at = place[one.id];
      bool best = one.score && at <= *rule.keep_best;
      return {one.id, !best,
              best ? fmt::format("among the best {} of its set", *rule.keep_best)
                   : fmt::format("not among the best {} of its set", *rule.keep_best)};
    }
    if (last.contains(one.id.top))
      return {one.id, false, fmt::format("among the last {} of its project", *rule.keep_last)};
    if (rule.age) {
      bool old = age_of(one.end, now) > *rule.age;
      return {one.id, old,
              fmt::format("ended {} {} ago", old ? "more than" : "less than",
                          duration_text(*rule.age))};
    }
    if (rule.keep_last)
      return {one.id, true, fmt::format("not among the last {} of its project", *rule.keep_last)};
    return {one.id, false, ""};
  };
  std::vector<OutputVerdict> verdicts;
  verdicts.reserve(all.size());
  for (const auto& one : all) verdicts.push_back(judge(one));
  return verdicts;
}

OutputVerdict judge_copy(const RetentionRules& rules, ExperimentId id, const CopyFacts& copy,
                         Timestamp now) {
  if (!copy.held.empty()) return {id, false, copy.held};
  if (copy.outputs_gone) return {id, true, "the outputs went by the rules"};
  if (age_of(copy.used, now) <= rules.copies)
    return {id, false, fmt::format("used less than {} ago", duration_text(rules.copies))};
  if (copy.is_dataset) return {id, true, "a dataset has the same content"};
  if (!copy.original) return {id, false, "it is the only copy that is known"};
  return {
      id, true,
      fmt::format("not used for {}, and still where it was written", duration_text(rules.copies))};
}

}  // namespace troupe::actors
