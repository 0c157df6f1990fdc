#include "hpo/searcher.hpp"

#include "hpo/encoding.hpp"
#include "hpo/pbt.hpp"
#include "runtime/core/limits.hpp"

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

Searcher::Searcher(std::vector<Parameter> parameters, SweepSpec sweep,
                   std::unique_ptr<Sampler> sampler)
    : parameters_{std::move(parameters)},
      sweep_{std::move(sweep)},
      objectives_{objectives(sweep_)},
      sampler_{std::move(sampler)} {}

Result<Searcher> Searcher::make(const std::vector<Parameter>& parameters, const SweepSpec& sweep,
                                std::string_view picked) {
  auto resolved = sweep;
  if (!picked.empty()) resolved.strategy = picked;
  auto sampler = make_sampler(parameters, resolved);
  if (!sampler) return std::move(sampler).error();
  Searcher searcher{parameters, std::move(resolved), std::move(*sampler)};
  TROUPE_TRY(searcher.check_enqueued());
  auto stopper = searcher.stopper_of(sweep.early_stop);
  if (!stopper) return std::move(stopper).error();
  searcher.stopper_ = std::move(*stopper);
  if (searcher.stopper_) TROUPE_TRY(searcher.need_encoding());
  return searcher;
}

/// None for null.
Result<std::unique_ptr<Stopper>> Searcher::stopper_of(const Value& early_stop) const {
  if (early_stop.is_null()) return std::unique_ptr<Stopper>{};
  auto rule = read_early_stop(early_stop);
  if (!rule) return std::move(rule).error();
  if (objectives_.size() != 1)
    return Error{
        Errc::invalid, "sweep.early_stop",
        fmt::format("it compares members by one metric, and there are {}", objectives_.size()),
        "give one metric, such as metric: min.loss"};
  if (rule->algorithm == "bohb" && !learns())
    return Error{Errc::invalid, "sweep.early_stop.algorithm",
                 fmt::format("bohb is Hyperband with a strategy that learns, and {} does not",
                             sweep_.strategy),
                 "use strategy: tpe, or algorithm: hyperband"};
  if (rule->algorithm == "pbt" && (sweep_.strategy == "grid" || sweep_.strategy == "list"))
    return Error{
        Errc::invalid, "sweep.early_stop.algorithm",
        fmt::format("strategy {} has points of its own, and pbt makes others", sweep_.strategy),
        "use strategy: random"};
  return make_stopper(std::move(*rule), objectives_[0].maximize, sweep_.seed.value_or(0));
}

Result<void> Searcher::need_encoding() {
  if (encoding_) return ok();
  auto space = Space::make(parameters_, {sweep_.constraints, sweep_.forbidden});
  if (!space) return std::move(space).error();
  encoding_ = std::make_shared<const Encoding>(std::move(*space));
  return ok();
}

Result<void> Searcher::check_enqueued() {
  if (sweep_.enqueue.empty()) return ok();
  TROUPE_TRY(need_encoding());
  std::map<Positions, size_t> known;
  for (size_t i = 0; i < sweep_.enqueue.size(); ++i) {
    const auto path = fmt::format("sweep.enqueue[{}]", i);
    TROUPE_TRY(check_point(*encoding_, sweep_.enqueue[i], path));
    TROUPE_TRY(check_completion(sweep_.enqueue[i], path));
    auto positions = encoding_->encode(sweep_.enqueue[i]);
    if (!positions) continue;  // it leaves something open
    if (auto [first, is_new] = known.emplace(std::move(*positions), i); !is_new)
      return Error{Errc::invalid, path,
                   fmt::format("it is the same point as sweep.enqueue[{}]", first->second),
                   "a search tries no point twice: list it once"};
  }
  return ok();
}

/// Whether what a point leaves open can be filled in.
Result<void> Searcher::check_completion(const Point& given, const std::string& path) const {
  if (!learns() || sampler_->can_complete(given)) return ok();
  return Error{Errc::invalid, path,
               "no new point was found that has these values and keeps all constraints",
               "give other values, or fewer"};
}

uint64_t Searcher::size() const {
  auto size = sampler_->size().value_or(limits::set_members_max);
  return learns() ? size : size + added_count_;
}

Result<Point> Searcher::point(uint64_t trial) {
  if (auto own = own_points_.find(trial); own != own_points_.end()) return own->second;
  if (learns()) return sampler_->suggest(trial);
  // What people added stands between the strategy's points.
  auto before = std::distance(own_points_.begin(), own_points_.lower_bound(trial));
  return sampler_->suggest(trial - static_cast<uint64_t>(before));
}

/// With what it does not name from the strategy.
Result<Point> Searcher::completed(uint64_t trial, const Point& given, std::string& how) {
  if (!learns()) return given;
  auto point = sampler_->complete(trial, given);
  if (point || point.error().code != Errc::exhausted) return point;
  how = fmt::format("{} had no new point, so it is the strategy's: {}", identity(given),
                    sampler_->explain(trial));
  return sampler_->suggest(trial);
}

Result<Point> Searcher::peek(uint64_t trial) {
  std::string how;
  return proposed(trial, how);
}

/// `how` in words where it is not the strategy's.
Result<Point> Searcher::proposed(uint64_t trial, std::string& how) {
  if (is_enqueued(trial)) {
    how = "it was enqueued by hand";
    return completed(trial, sweep_.enqueue[trial - 1], how);
  }
  if (!added_.empty()) {
    how = "it was added by hand";
    return completed(trial, added_.front(), how);
  }
  if (!donors_.empty()) return copy(trial, how);
  return point(trial);
}

uint64_t Searcher::copied_from(uint64_t trial) const {
  auto copied = copied_from_.find(trial);
  return copied == copied_from_.end() ? 0 : copied->second;
}

/// What the next copy tries.
Result<Point> Searcher::copy(uint64_t trial, std::string& how) {
  auto donor = point(donors_.front());
  if (!donor) return donor;
  auto resample = stopper_ ? stopper_->rule().resample : 0;
  auto made = perturbed(*encoding_, *donor, resample, sweep_.seed.value_or(0), trial, how);
  how = fmt::format("a copy of member {} and its checkpoint: {}", donors_.front(), how);
  return made;
}

auto Searcher::next(uint64_t trial) -> Result<Suggested> {
  std::string how;
  auto point = proposed(trial, how);
  if (!point) return std::move(point).error();
  Suggested made;
  made.point = std::move(*point);
  made.entry.kind = SearchEntry::Kind::born;
  made.entry.trial = trial;
  made.entry.note = how.empty() ? sampler_->explain(trial) : std::move(how);
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
  auto verdict = stopper_->report(trial, resource, objectives_[0].maximize ? -value : value);
  if (verdict.copies) donors_.push_back(*verdict.copies);
  return verdict;
}

std::optional<uint64_t> Searcher::promotable() const {
  return stopper_ ? stopper_->promotable() : std::nullopt;
}

SearchEntry Searcher::promote(uint64_t trial) {
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::promote;
  entry.trial = trial;
  entry.step = stopper_ ? stopper_->reached(trial) : 0;
  return told(std::move(entry));
}

std::vector<SearchEntry> Searcher::report(uint64_t trial, double resource, double value) {
  if (!stopper_ || stopping_.contains(trial) || paused_.contains(trial)) return {};
  auto verdict = judge(trial, resource, value);
  if (!verdict.heard) return {};
  SearchEntry entry;
  entry.kind = SearchEntry::Kind::report;
  entry.trial = trial;
  entry.step = resource;
  entry.values = {value};
  std::vector<SearchEntry> entries{entry};
  if (!verdict.stop && !verdict.pause) return entries;
  entry.kind = verdict.stop ? SearchEntry::Kind::stop : SearchEntry::Kind::pause;
  entry.note = verdict.reason;
  (verdict.stop ? stopping_ : paused_).emplace(trial, std::move(verdict.reason));
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

/// Who was waiting for a member of its own has one now.
void Searcher::take_turn(uint64_t trial, const Point& point) {
  if (is_enqueued(trial) || (added_.empty() && donors_.empty())) return;
  own_points_.emplace(trial, point);
  if (!added_.empty()) return added_.pop_front();
  copied_from_.emplace(trial, donors_.front());
  donors_.pop_front();
  if (stopper_) stopper_->copied(trial);
}

void Searcher::retell(const SearchEntry& entry, const Point& point) {
  switch (entry.kind) {
    case SearchEntry::Kind::born:
      take_turn(entry.trial, point);
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
      paused_.erase(entry.trial);
      widen_front(entry);
      break;
    case SearchEntry::Kind::report:
      if (stopper_ && !entry.values.empty()) judge(entry.trial, entry.step, entry.values[0]);
      break;
    case SearchEntry::Kind::stop:
    case SearchEntry::Kind::dismiss:
      stopping_.emplace(entry.trial, entry.note);
      break;
    case SearchEntry::Kind::skip:
      skipped_.insert_or_assign(entry.trial, entry.note);
      break;
    case SearchEntry::Kind::change:
      apply_change({entry.params.begin(), entry.params.end()});
      break;
    case SearchEntry::Kind::add:
      if (auto known = need_encoding(); !known) break;  // it was checked
      added_.push_back(entry.params);
      ++added_count_;
      if (learns() && sweep_.trials) sampler_->set_trials(++*sweep_.trials);
      break;
    case SearchEntry::Kind::pause:
      paused_.emplace(entry.trial, entry.note);
      break;
    case SearchEntry::Kind::promote:
      paused_.erase(entry.trial);
      if (stopper_) stopper_->promote(entry.trial);
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
