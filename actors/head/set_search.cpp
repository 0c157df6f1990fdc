#include "actors/head/set_search.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr uint32_t members_at_once = 1000;
// What a search takes over of an earlier one. Every strategy is slower with more, and the newest
// members of a search are its best.
constexpr size_t told_max = 10'000;

SearchEntry::Outcome outcome_of(const ExperimentRecord& member) {
  using Outcome = SearchEntry::Outcome;
  if (member.state == State::finished)
    return member.stopped.empty() ? Outcome::completed : Outcome::stopped;
  // What its nodes broke again and again says nothing about the point.
  bool own = !member.error || member.error->code != Errc::unavailable;
  return member.state == State::failed && own ? Outcome::failed : Outcome::cancelled;
}

/// Calls `each` with every member that has a record, lowest first.
template <class Each>
Result<void> for_members(const storage::Ledger& ledger, uint64_t top, Each each) {
  uint32_t from = 1;
  while (true) {
    auto members = ledger.members(top, from, members_at_once);
    if (!members) return std::move(members).error();
    if (members->empty()) return ok();
    from = members->back().id.member + 1;
    for (auto& member : *members) each(std::move(member));
  }
}

}  // namespace

SetSearch::SetSearch(const SetRecord& record, hpo::Searcher searcher)
    : top_{record.id.top},
      objectives_{objectives(record.sweep)},
      searcher_{std::move(searcher)},
      kept_{searcher_.learns() || searcher_.early_stop() != nullptr} {}

Result<SetSearch> SetSearch::make(const SetRecord& record) {
  auto searcher =
      hpo::Searcher::make(record.spec->parameters, record.as_submitted(), record.picked);
  if (!searcher) return std::move(searcher).error();
  return SetSearch{record, std::move(*searcher)};
}

/// Of one objective the best it ever reached, as the set's best counts it; of several the last, as
/// bests of different times were never reached together.
std::vector<double> SetSearch::values_of(const ExperimentRecord& member) const {
  std::vector<double> values;
  for (const auto& [maximize, name] : objectives_) {
    auto last = member.metrics.find(name);
    if (last == member.metrics.end()) return {};
    auto extremes = member.extremes.find(name);
    if (objectives_.size() > 1 || extremes == member.extremes.end())
      values.push_back(last->second);
    else
      values.push_back(maximize ? extremes->second.max : extremes->second.min);
  }
  return values;
}

void SetSearch::add(SearchEntry entry) {
  if (is_kept()) news_.push_back(std::move(entry));
}

Result<hpo::Point> SetSearch::next(uint64_t trial) {
  // One whose record could not be written: it was suggested, and what came since changes nothing.
  if (trial <= born_ || !is_kept()) return searcher_.point(trial);
  auto made = searcher_.next(trial);
  if (!made) return std::move(made).error();
  born_ = trial;
  add(std::move(made->entry));
  return std::move(made->point);
}

void SetSearch::end(const ExperimentRecord& member) {
  add(searcher_.end(member.id.member, outcome_of(member), values_of(member)));
}

void SetSearch::report(uint32_t member, double resource, double value) {
  for (auto& entry : searcher_.report(member, resource, value)) add(std::move(entry));
}

Result<void> SetSearch::learn_from(const storage::Ledger& ledger, uint64_t top) {
  std::vector<ExperimentRecord> known;
  TROUPE_TRY(for_members(ledger, top, [&](ExperimentRecord member) {
    if (is_terminal(member.state)) known.push_back(std::move(member));
  }));
  size_t first = known.size() > told_max ? known.size() - told_max : 0;
  uint64_t trial = limits::set_members_max;
  for (size_t i = first; i < known.size(); ++i) {
    auto values = values_of(known[i]);
    auto outcome = outcome_of(known[i]);
    if (outcome == SearchEntry::Outcome::cancelled ||
        (values.empty() && outcome != SearchEntry::Outcome::failed))
      continue;
    add(searcher_.tell(++trial, outcome, std::move(values), std::move(known[i].params)));
  }
  return ok();
}

Result<void> SetSearch::recall(const storage::Ledger& ledger, const SetRecord& record) {
  if (!kept_) {
    auto first = ledger.search(top_, 0);
    if (!first) return std::move(first).error();
    if (first->entries.empty()) return ok();
    kept_ = true;  // somebody has changed it
  }
  born_ = record.next - 1;
  std::vector<hpo::Point> points(record.next);
  std::vector<ExperimentRecord> ended;
  TROUPE_TRY(for_members(ledger, top_, [&](ExperimentRecord member) {
    if (member.id.member >= points.size()) return;
    points[member.id.member] = member.params;
    if (!is_terminal(member.state)) return;
    member.params.clear();
    member.attempts.clear();
    ended.push_back(std::move(member));
  }));
  std::vector<bool> told(record.next);
  while (true) {
    auto page = ledger.search(top_, pages_);
    if (!page) return std::move(page).error();
    if (page->entries.empty()) break;
    pages_ = page->next;
    for (const auto& entry : page->entries) {
      bool is_member = entry.trial < points.size();
      if (is_member && entry.kind == SearchEntry::Kind::ended) told[entry.trial] = true;
      searcher_.retell(entry, is_member ? points[entry.trial] : hpo::Point{});
    }
  }
  if (!learns() && searcher_.early_stop() == nullptr) return ok();  // ends say nothing to it
  // Nothing was decided after these ends, so their order is free; it is that of their times.
  std::erase_if(ended, [&](const auto& member) { return told[member.id.member]; });
  std::sort(ended.begin(), ended.end(), [](const auto& a, const auto& b) {
    return std::pair{a.ended.us, a.id.member} < std::pair{b.ended.us, b.id.member};
  });
  for (const auto& member : ended) end(member);
  return ok();
}

Result<void> SetSearch::check(const storage::Ledger& ledger, const SetRecord& record,
                              const api::SetChange& change) {
  TROUPE_TRY(searcher_.check_change(change.changes));
  if (change.add.empty()) return ok();
  std::map<std::string, std::string> tried;  // points, and who has them
  TROUPE_TRY(for_members(ledger, top_, [&](const ExperimentRecord& member) {
    tried.emplace(hpo::identity(member.params), to_string(member.id) + " has tried");
  }));
  for (const auto& point : searcher_.added())
    tried.emplace(hpo::identity(point), "was added before");
  if (!learns())
    for (auto trial = record.next; trial <= record.size; ++trial)
      if (auto point = searcher_.point(trial))
        tried.emplace(hpo::identity(*point),
                      to_string(ExperimentId{top_, static_cast<uint32_t>(trial)}) + " will try");
  for (size_t i = 0; i < change.add.size(); ++i) {
    auto path = fmt::format("add[{}]", i);
    TROUPE_TRY(searcher_.check_added(change.add[i], path));
    auto [known, is_new] = tried.emplace(hpo::identity(change.add[i]), "is there twice");
    if (!is_new)
      return Error{Errc::conflict, fmt::format("{} is no new point", path),
                   fmt::format("{}: {}", hpo::identity(change.add[i]), known->second),
                   "a set tries no point twice; troupe rerun ID runs one again"};
  }
  return ok();
}

void SetSearch::keep_from(uint64_t born) {
  if (!std::exchange(kept_, true)) born_ = born;
}

void SetSearch::change(const ValueMap& changes, const std::string& note) {
  add(searcher_.change(changes, note));
}

void SetSearch::add_point(const hpo::Point& point, const std::string& note) {
  add(searcher_.add(point, note));
}

void SetSearch::skip(uint32_t member, const std::string& note) {
  add(searcher_.skip(member, note));
}

void SetSearch::promote(uint32_t member) {
  add(searcher_.promote(member));
}

void SetSearch::dismiss(uint32_t member, const std::string& note) {
  add(searcher_.dismiss(member, note));
}

std::optional<storage::PutSearch> SetSearch::take() {
  if (news_.empty()) return std::nullopt;
  return storage::PutSearch{top_, pages_++, std::exchange(news_, {})};
}

void SetSearch::put_back(storage::PutSearch page) {
  pages_ = page.page;
  page.entries.insert(page.entries.end(), std::make_move_iterator(news_.begin()),
                      std::make_move_iterator(news_.end()));
  news_ = std::move(page.entries);
}

}  // namespace troupe::actors
