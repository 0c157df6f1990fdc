#include "actors/head/set_change.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/submission_check.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

const std::vector<std::string>& keys() {
  static const std::vector<std::string> names{"budget", "concurrency", "early_stop", "stop_when",
                                              "trials"};
  return names;
}

Error wrong(const std::string& key, const Value& value, std::string hint) {
  return {Errc::invalid, fmt::format("{} cannot be {}", key, json_text(value)), "",
          std::move(hint)};
}

Result<std::optional<uint64_t>> count_of(const std::string& key, const Value& value,
                                         uint64_t most) {
  if (value.is_null()) return std::optional<uint64_t>{};
  if (!value.is_int() || value.as_int() < 1 || static_cast<uint64_t>(value.as_int()) > most)
    return wrong(key, value, fmt::format("give a whole number from 1 to {}", most));
  return std::optional{static_cast<uint64_t>(value.as_int())};
}

Result<void> change_one(SweepSpec& sweep, const std::string& key, const Value& value) {
  if (key == "trials") {
    auto count = count_of(key, value, limits::set_members_max);
    if (!count) return std::move(count).error();
    sweep.trials = *count;
  } else if (key == "concurrency") {
    TROUPE_TRY(read_concurrency(value, sweep));
    if (sweep.concurrency == 0u)
      return wrong(key, value, "give at least 1, or nothing for no limit");
  } else if (key == "budget") {
    sweep.budget.reset();
    if (value.is_null()) return ok();
    if (!value.is_string()) return wrong(key, value, "write it as 40gpuh, 200cpuh or 2h");
    auto budget = parse_budget(value.as_string());
    if (!budget) return std::move(budget).error();
    sweep.budget = *budget;
  } else if (key == "stop_when") {
    if (!value.is_null() && !value.is_string())
      return wrong(key, value, "write a condition such as \"loss < 0.1\"");
    sweep.stop_when = value.is_null() ? "" : value.as_string();
    if (!sweep.stop_when.empty())
      if (auto read = hpo::Expression::parse(sweep.stop_when); !read)
        return std::move(read).error();
  } else if (key == "early_stop") {
    sweep.early_stop = value;
  } else {
    return Error{Errc::invalid, fmt::format("a set has no {} that could be changed", key),
                 fmt::format("what can be is {}", fmt::join(keys(), ", ")),
                 suggestion(key, keys())};
  }
  return ok();
}

Result<SweepSpec> changed_sweep(const SetRecord& record, const ValueMap& changes) {
  auto sweep = record.sweep;
  for (const auto& [key, value] : changes) TROUPE_TRY(change_one(sweep, key, value));
  if (sweep.trials && *sweep.trials < record.next - 1)
    return Error{Errc::conflict, fmt::format("trials cannot be {}", *sweep.trials),
                 fmt::format("{} members exist already", record.next - 1),
                 fmt::format("troupe set {} trials={} makes no more", to_string(record.id),
                             record.next - 1)};
  if (auto problem = check_run_elsewhere(sweep))
    return Error{Errc::refused, fmt::format("{} was not changed", problem->path.substr(6)),
                 problem->message, problem->hint};
  return sweep;
}

Result<void> check_skips(const ChangingSet& set, const std::vector<uint32_t>& members) {
  const auto& record = set.record;
  for (auto member : members) {
    ExperimentId id{record.id.top, member};
    if (member == 0 || member > record.size)
      return Error{Errc::not_found, fmt::format("there is no member {}", to_string(id)),
                   fmt::format("members are numbered 1 to {}", record.size), ""};
    if (member < record.next && !set.lives(member))
      return Error{Errc::conflict, fmt::format("{} was not skipped", to_string(id)), "it has ended",
                   fmt::format("troupe show {}", to_string(id))};
    if (member >= record.next && (set.search.learns() || record.sweep.ask))
      return Error{Errc::conflict, fmt::format("{} was not skipped", to_string(id)),
                   record.sweep.ask ? "nobody has asked for it yet"
                                    : fmt::format("strategy {} has not chosen its point yet",
                                                  record.sweep.strategy),
                   fmt::format("troupe set {} trials=N makes fewer members", to_string(record.id))};
  }
  return ok();
}

}  // namespace

Result<std::vector<std::string>> change_set(const ChangingSet& set, const std::string& user,
                                            const api::SetChange& wanted) {
  auto& record = set.record;
  if (is_terminal(record.state) || set.stopping)
    return Error{Errc::conflict, fmt::format("set {} cannot be changed", to_string(record.id)),
                 is_terminal(record.state) ? fmt::format("it is {}", to_string(record.state))
                                           : fmt::format("it is ending: {}", record.reason),
                 fmt::format("submit another; sweep.from: {} learns from this one", record.id.top)};
  auto sweep = changed_sweep(record, wanted.changes);
  if (!sweep) return std::move(sweep).error();
  TROUPE_TRY(check_skips(set, wanted.skip));
  TROUPE_TRY(set.search.check(set.ledger, record, wanted));
  std::vector<std::string> happened;
  set.search.keep_from(record.next - 1);
  if (!wanted.changes.empty()) {
    auto text = fmt::format("changed by {}: {}", user, json_text(Value{wanted.changes}));
    set.search.change(wanted.changes, text);
    TROUPE_TRY(set.study.set_stop_when(sweep->stop_when));
    happened.push_back(std::move(text));
  }
  if (!record.submitted) record.submitted = std::make_shared<const SweepSpec>(record.sweep);
  record.sweep = std::move(*sweep);
  for (const auto& point : wanted.add) {
    set.search.add_point(point, fmt::format("added by {}", user));
    if (record.sweep.trials) ++*record.sweep.trials;
  }
  if (!wanted.add.empty())
    happened.push_back(fmt::format("{} points added by {}", wanted.add.size(), user));
  for (auto member : wanted.skip) {
    auto cause = fmt::format("skipped by {}", user);
    if (member < record.next)
      set.search.dismiss(member, cause);
    else
      set.search.skip(member, cause);
  }
  record.size = set.search.size();
  set.study.resize(record.size);
  return happened;
}

}  // namespace troupe::actors
