// What people do to a search that runs: other limits and rules, points of their own, members that
// are not to be tried. Each is an entry of its ledger, at its place in the order.
#include "hpo/searcher.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::hpo {

Result<void> check_point(const Encoding& encoding, const Point& point, const std::string& path) {
  std::vector<std::string> names;
  for (const auto& axis : encoding.space().axes()) names.push_back(axis.name());
  for (const auto& [name, value] : point) {
    auto place = std::find(names.begin(), names.end(), name) - names.begin();
    if (static_cast<size_t>(place) == names.size())
      return Error{Errc::invalid, path + "." + name, fmt::format("there is no parameter {}", name),
                   suggestion(name, names)};
    if (!encoding[static_cast<size_t>(place)].encode(value))
      return Error{Errc::invalid, path + "." + name,
                   fmt::format("{} is not a value that {} can have", json_text(value), name),
                   "a point lies inside the space, on its steps"};
  }
  if (const auto* broken = encoding.space().rules().broken(point))
    return Error{Errc::invalid, path, fmt::format("the point breaks `{}`", *broken),
                 "a point keeps the constraints of its space"};
  return ok();
}

/// Of points that no strategy makes those that were added stand beside.
SweepSpec Searcher::with_trials(const Value& trials) const {
  auto sweep = sweep_;
  sweep.trials.reset();
  if (trials.is_null()) return sweep;
  auto count = static_cast<uint64_t>(trials.as_int());
  if (!learns()) count -= std::min(count, added_count_);
  sweep.trials = count;
  return sweep;
}

Result<void> Searcher::check_change(const ValueMap& changes) const {
  if (auto trials = changes.find("trials"); trials != changes.end()) {
    auto size = set_size(parameters_, with_trials(trials->second));
    if (!size) return std::move(size).error();
  }
  if (auto rule = changes.find("early_stop"); rule != changes.end()) {
    if (!rule->second.is_null() && objectives_.empty())
      return Error{Errc::invalid, "early_stop", "the set has no metric to compare its members by",
                   "submit a set with metric: max.NAME or min.NAME"};
    auto stopper = stopper_of(rule->second);
    if (!stopper) return std::move(stopper).error();
    if (!paused_.empty())
      return Error{
          Errc::conflict, "early_stop cannot be changed now",
          fmt::format("{} members wait for their turn under the rule there is", paused_.size()),
          "skip them first, or let the set end"};
  }
  return ok();
}

/// It was checked.
void Searcher::apply_change(const ValueMap& changes) {
  if (auto trials = changes.find("trials"); trials != changes.end()) {
    auto sweep = with_trials(trials->second);
    if (learns()) {
      sampler_->set_trials(sweep.trials.value_or(limits::set_members_max));
      sweep_ = std::move(sweep);
    } else if (auto sampler = make_sampler(parameters_, sweep)) {
      sampler_ = std::move(*sampler);
      sweep_ = std::move(sweep);
    }
  }
  if (auto rule = changes.find("early_stop"); rule != changes.end())
    if (auto stopper = stopper_of(rule->second); stopper && need_encoding()) {
      stopper_ = std::move(*stopper);
      donors_.clear();
    }
}

Result<void> Searcher::check_added(const Point& point, const std::string& path) const {
  auto space = Space::make(parameters_, {sweep_.constraints, sweep_.forbidden});
  if (!space) return std::move(space).error();
  if (sweep_.strategy == "list" && !sweep_.points.empty())
    return Error{Errc::invalid, path, "the set takes its points as they were listed",
                 "submit another set with this point"};
  Encoding encoding{std::move(*space)};
  TROUPE_TRY(check_point(encoding, point, path));
  // A whole one may have been tried: who knows the members says by which.
  if (!encoding.encode(point)) TROUPE_TRY(check_completion(point, path));
  if (!learns() && !encoding.encode(point)) {
    std::string lacking;
    for (const auto& axis : encoding.space().axes())
      if (!point.contains(axis.name())) lacking += (lacking.empty() ? "" : ", ") + axis.name();
    return Error{Errc::invalid, path,
                 lacking.empty() ? std::string{"parameters have values that are not active there"}
                                 : fmt::format("it has no value for {}", lacking),
                 fmt::format("strategy {} adds nothing to a point: name all that are active",
                             sweep_.strategy)};
  }
  return ok();
}

SearchEntry Searcher::told(SearchEntry entry) {
  retell(entry, {});
  return entry;
}

SearchEntry Searcher::change(const ValueMap& changes, std::string note) {
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::change;
  entry.params.insert(changes.begin(), changes.end());
  entry.note = std::move(note);
  return told(std::move(entry));
}

SearchEntry Searcher::add(Point point, std::string note) {
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::add;
  entry.params = std::move(point);
  entry.note = std::move(note);
  return told(std::move(entry));
}

SearchEntry Searcher::skip(uint64_t trial, std::string note) {
  return told_of(SearchEntry::Kind::skip, trial, std::move(note));
}

SearchEntry Searcher::dismiss(uint64_t trial, std::string note) {
  return told_of(SearchEntry::Kind::dismiss, trial, std::move(note));
}

SearchEntry Searcher::told_of(SearchEntry::Kind kind, uint64_t trial, std::string note) {
  SearchEntry entry;
  entry.kind = kind;
  entry.trial = trial;
  entry.note = std::move(note);
  return told(std::move(entry));
}

}  // namespace troupe::hpo
