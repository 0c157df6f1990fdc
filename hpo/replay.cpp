#include "hpo/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {

namespace {

constexpr size_t differences_shown = 20;

/// A value that is no number is the same as another that is none.
bool is_same(SearchEntry a, SearchEntry b) {
  auto none = [](double x, double y) { return std::isnan(x) && std::isnan(y); };
  bool same = std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(),
                         [&](double x, double y) { return x == y || none(x, y); });
  a.values.clear();
  b.values.clear();
  return same && a == b;
}

}  // namespace

void Replay::differs(std::string what) {
  ++account_.differences;
  if (account_.first.size() < differences_shown) account_.first.push_back(std::move(what));
}

void Replay::take(const SearchEntry& entry, const Point& point) {
  using Kind = SearchEntry::Kind;
  if (entry.kind != Kind::stop && entry.kind != Kind::pause) finish();
  switch (entry.kind) {
    case Kind::born:
      check_born(entry, point);
      searcher_.retell(entry, point);
      break;
    case Kind::report:
      check_report(entry);
      break;
    case Kind::stop:
    case Kind::pause:
      if (!stop_ || !is_same(*stop_, entry))
        differs(fmt::format("member {} was {} ({}), which does not follow", entry.trial,
                            entry.kind == Kind::stop ? "stopped" : "paused", entry.note));
      stop_.reset();
      break;
    case Kind::promote:
      check_promoted(entry);
      searcher_.retell(entry, point);
      break;
    case Kind::told:
    case Kind::ended:
    case Kind::change:
    case Kind::add:
    case Kind::skip:
    case Kind::dismiss:
      searcher_.retell(entry, point);
      break;
  }
}

void Replay::check_born(const SearchEntry& entry, const Point& point) {
  ++account_.suggestions;
  born_.insert(entry.trial);
  auto derived = searcher_.peek(entry.trial);
  if (!derived)
    differs(fmt::format("member {} has {}, and there is no point left: {}", entry.trial,
                        identity(point), derived.error().detail));
  else if (*derived != point)
    differs(fmt::format("member {} has {}, and {} follows", entry.trial, identity(point),
                        identity(*derived)));
}

void Replay::check_drawn(const std::vector<Point>& members) {
  if (searcher_.learns()) return;
  for (uint64_t trial = 1; trial <= members.size(); ++trial) {
    if (born_.contains(trial)) continue;
    ++account_.suggestions;
    auto derived = searcher_.point(trial);
    const auto& point = members[trial - 1];
    if (!derived || *derived != point)
      differs(fmt::format("member {} has {}, and {} follows", trial, identity(point),
                          derived ? identity(*derived) : "no point"));
  }
}

void Replay::check_promoted(const SearchEntry& entry) {
  auto derived = searcher_.promotable();
  if (derived != entry.trial)
    differs(fmt::format("member {} went on, and {} follows", entry.trial,
                        derived ? fmt::format("member {}", *derived) : "a new member"));
}

void Replay::check_report(const SearchEntry& entry) {
  ++account_.reports;
  auto value = entry.values.empty() ? 0.0 : entry.values.front();
  auto derived = searcher_.report(entry.trial, entry.step, value);
  if (derived.empty())
    differs(fmt::format("a report of member {} at {} was heard, and should not have been",
                        entry.trial, entry.step));
  if (derived.size() > 1) stop_ = std::move(derived.back());
}

void Replay::finish() {
  if (!stop_) return;
  differs(fmt::format("member {} was not stopped, although: {}", stop_->trial, stop_->note));
  stop_.reset();
}

}  // namespace troupe::hpo
