#include "hpo/searcher.hpp"

#include "hpo/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {

namespace {

// More of them nobody looks through.
constexpr size_t front_max = 1000;

Outcome outcome_of(SearchEntry::Outcome outcome) {
  switch (outcome) {
    case SearchEntry::Outcome::completed:
      return Outcome::completed;
    case SearchEntry::Outcome::stopped:
      return Outcome::stopped;
    case SearchEntry::Outcome::failed:
      return Outcome::failed;
    case SearchEntry::Outcome::cancelled:
      break;
  }
  return Outcome::cancelled;
}

}  // namespace

bool learns(std::string_view strategy) {
  const auto& names = adaptive_strategies();
  return std::find(names.begin(), names.end(), strategy) != names.end();
}

Result<SearchPlan> plan_search(const std::vector<Parameter>& parameters, const SweepSpec& sweep) {
  auto members = set_size(parameters, sweep);
  if (!members) return std::move(members).error();
  SearchPlan plan;
  plan.members = *members;
  if (!learns(sweep.strategy) && sweep.early_stop.is_null()) return plan;
  auto seeded = sweep;
  seeded.seed = sweep.seed.value_or(0);
  if (sweep.strategy == "auto") {
    auto space = Space::make(parameters, {sweep.constraints, sweep.forbidden});
    if (!space) return std::move(space).error();
    plan.picked = choose_strategy(*space, search_settings(seeded));
  }
  auto searcher = Searcher::make(parameters, seeded, plan.picked.strategy);
  if (!searcher) return std::move(searcher).error();
  return plan;
}

Searcher::Searcher(SweepSpec sweep, std::unique_ptr<Sampler> sampler)
    : sweep_{std::move(sweep)}, objectives_{objectives(sweep_)}, sampler_{std::move(sampler)} {}

Result<Searcher> Searcher::make(const std::vector<Parameter>& parameters, const SweepSpec& sweep,
                                std::string_view picked) {
  auto resolved = sweep;
  if (!picked.empty()) resolved.strategy = picked;
  auto sampler = make_sampler(parameters, resolved);
  if (!sampler) return std::move(sampler).error();
  Searcher searcher{std::move(resolved), std::move(*sampler)};
  TROUPE_TRY(searcher.check_enqueued(parameters));
  if (sweep.early_stop.is_null()) return searcher;
  auto rule = read_early_stop(sweep.early_stop);
  if (!rule) return std::move(rule).error();
  if (searcher.objectives_.size() != 1)
    return Error{Errc::invalid, "sweep.early_stop",
                 fmt::format("it compares members by one metric, and there are {}",
                             searcher.objectives_.size()),
                 "give one metric, such as metric: min.loss"};
  if (rule->algorithm == "bohb" && !searcher.learns())
    return Error{Errc::invalid, "sweep.early_stop.algorithm",
                 fmt::format("bohb is Hyperband with a strategy that learns, and {} does not",
                             sweep.strategy),
                 "use strategy: tpe, or algorithm: hyperband"};
  auto stopper =
      make_stopper(std::move(*rule), searcher.objectives_[0].maximize, sweep.seed.value_or(0));
  if (!stopper) return std::move(stopper).error();
  searcher.stopper_ = std::move(*stopper);
  return searcher;
}

/// Each point, put over one of the space, must still be one of the space.
Result<void> Searcher::check_enqueued(const std::vector<Parameter>& parameters) {
  if (sweep_.enqueue.empty()) return ok();
  auto space = Space::make(parameters, {sweep_.constraints, sweep_.forbidden});
  if (!space) return std::move(space).error();
  encoding_ = std::make_shared<const Encoding>(std::move(*space));
  std::vector<std::string> names;
  for (const auto& parameter : parameters) names.push_back(parameter.name);
  for (size_t i = 0; i < sweep_.enqueue.size(); ++i) {
    const auto& point = sweep_.enqueue[i];
    for (const auto& [name, value] : point) {
      auto path = fmt::format("sweep.enqueue[{}].{}", i, name);
      auto place = std::find(names.begin(), names.end(), name) - names.begin();
      if (static_cast<size_t>(place) == names.size())
        return Error{Errc::invalid, path, fmt::format("there is no parameter {}", name),
                     suggestion(name, names)};
      if (!(*encoding_)[static_cast<size_t>(place)].encode(value))
        return Error{Errc::invalid, path,
                     fmt::format("{} is not a value that {} can have", json_text(value), name),
                     "an enqueued point lies inside the space, on its steps"};
    }
    if (const auto* broken = encoding_->space().rules().broken(point))
      return Error{Errc::invalid, fmt::format("sweep.enqueue[{}]", i),
                   fmt::format("the point breaks `{}`", *broken),
                   "an enqueued point keeps the constraints of its space"};
  }
  return ok();
}

Result<Point> Searcher::peek(uint64_t trial) {
  auto point = sampler_->suggest(trial);
  if (!point || !learns() || trial > sweep_.enqueue.size()) return point;
  for (const auto& [name, value] : sweep_.enqueue[trial - 1]) point->insert_or_assign(name, value);
  // Other parameters may be active with these values than with those that were suggested.
  if (encoding_->space().rules().has_conditions())
    if (auto positions = encoding_->fill(*point)) return encoding_->decode(*positions);
  return point;
}

auto Searcher::next(uint64_t trial) -> Result<Suggested> {
  auto point = peek(trial);
  if (!point) return std::move(point).error();
  Suggested made;
  made.point = std::move(*point);
  made.entry.kind = SearchEntry::Kind::born;
  made.entry.trial = trial;
  made.entry.note = sampler_->explain(trial);
  if (learns() && trial <= sweep_.enqueue.size()) made.entry.note = "it was enqueued by hand";
  retell(made.entry, made.point);
  return made;
}

SearchEntry Searcher::end(uint64_t trial, SearchEntry::Outcome outcome,
                          std::vector<double> values) {
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::ended;
  entry.trial = trial;
  entry.outcome = outcome;
  if (stopper_) entry.step = stopper_->reached(trial);
  entry.values = std::move(values);
  retell(entry, {});
  return entry;
}

Verdict Searcher::judge(uint64_t trial, double resource, double value) {
  return stopper_->report(trial, resource, objectives_[0].maximize ? -value : value);
}

std::vector<SearchEntry> Searcher::report(uint64_t trial, double resource, double value) {
  if (!stopper_ || stopping_.contains(trial)) return {};
  auto verdict = judge(trial, resource, value);
  if (!verdict.heard) return {};
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::report;
  entry.trial = trial;
  entry.step = resource;
  entry.values = {value};
  std::vector<SearchEntry> entries{entry};
  if (!verdict.stop) return entries;
  entry.kind = SearchEntry::Kind::stop;
  entry.note = verdict.reason;
  stopping_.emplace(trial, std::move(verdict.reason));
  entries.push_back(std::move(entry));
  return entries;
}

SearchEntry Searcher::tell(uint64_t trial, SearchEntry::Outcome outcome, std::vector<double> values,
                           Point point) {
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::told;
  entry.trial = trial;
  entry.outcome = outcome;
  entry.values = std::move(values);
  entry.params = std::move(point);
  retell(entry, {});
  return entry;
}

void Searcher::retell(const SearchEntry& entry, const Point& point) {
  switch (entry.kind) {
    case SearchEntry::Kind::born:
      sampler_->observe({entry.trial, Outcome::running, point});
      break;
    case SearchEntry::Kind::told:
      sampler_->observe(
          {entry.trial, outcome_of(entry.outcome), entry.params, entry.values, entry.step});
      break;
    case SearchEntry::Kind::ended:
      sampler_->observe({entry.trial, outcome_of(entry.outcome), point, entry.values, entry.step});
      if (stopper_) stopper_->end(entry.trial, outcome_of(entry.outcome));
      stopping_.erase(entry.trial);
      widen_front(entry);
      break;
    case SearchEntry::Kind::report:
      if (stopper_ && !entry.values.empty()) judge(entry.trial, entry.step, entry.values[0]);
      break;
    case SearchEntry::Kind::stop:
      stopping_.emplace(entry.trial, entry.note);
      break;
  }
}

void Searcher::widen_front(const SearchEntry& entry) {
  if (objectives_.size() < 2 || entry.outcome != SearchEntry::Outcome::completed ||
      entry.values.size() != objectives_.size())
    return;
  OnFront now{static_cast<uint32_t>(entry.trial), {}};
  for (size_t i = 0; i < entry.values.size(); ++i) {
    if (!std::isfinite(entry.values[i])) return;
    now.candidate.values.push_back(objectives_[i].maximize ? -entry.values[i] : entry.values[i]);
  }
  for (const auto& other : front_)
    if (dominates(other.candidate, now.candidate)) return;
  std::erase_if(front_,
                [&](const OnFront& other) { return dominates(now.candidate, other.candidate); });
  if (front_.size() < front_max) front_.push_back(std::move(now));
}

std::vector<uint32_t> Searcher::front() const {
  std::vector<uint32_t> members;
  for (const auto& one : front_) members.push_back(one.member);
  std::sort(members.begin(), members.end());
  return members;
}

}  // namespace troupe::hpo
