// What people do to a set that runs: other limits and rules, further points, members that are not
// to be tried. All of one wish becomes durable in one step, in the order of the search's ledger.
#include "actors/head/experiment_set.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/suggest.hpp"
#include "runtime/wire/errors.hpp"

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

}  // namespace

caf::typed_response_promise<bool> ExperimentSetState::change(const std::string& user,
                                                             const SetChangeRef& wanted) {
  auto promise = self_->make_response_promise<bool>();
  wishes_.push_back({user, wanted, promise});
  if (!making_ && !saving_) apply_changes();
  return promise;
}

/// One after the other, while nothing is on its way to the ledger: what is compared with is there.
void ExperimentSetState::apply_changes() {
  if (making_ || saving_) return;  // made() or saved() comes back to it
  while (!wishes_.empty() && !saving_) {
    auto wish = std::move(wishes_.front());
    wishes_.pop_front();
    if (auto done = apply_change(wish.user, *wish.wanted); !done) {
      wish.promise.deliver(to_caf(done.error()));
      continue;
    }
    wished_.push_back(wish.promise);
    dirty_ = true;
    save();
    look_at_budget();
    finish_if_done();
  }
}

Result<SweepSpec> ExperimentSetState::changed_sweep(const ValueMap& changes) const {
  auto sweep = record_.sweep;
  for (const auto& [key, value] : changes) TROUPE_TRY(change_one(sweep, key, value));
  if (sweep.trials && *sweep.trials < record_.next - 1)
    return Error{Errc::conflict, fmt::format("trials cannot be {}", *sweep.trials),
                 fmt::format("{} members exist already", record_.next - 1),
                 fmt::format("troupe set {} trials={} makes no more", to_string(record_.id),
                             record_.next - 1)};
  return sweep;
}

Result<void> ExperimentSetState::check_skips(const std::vector<uint32_t>& members) const {
  for (auto member : members) {
    ExperimentId id{record_.id.top, member};
    if (member == 0 || member > record_.size)
      return Error{Errc::not_found, fmt::format("there is no member {}", to_string(id)),
                   fmt::format("members are numbered 1 to {}", record_.size), ""};
    if (member < record_.next && !live_.contains(member))
      return Error{Errc::conflict, fmt::format("{} was not skipped", to_string(id)), "it has ended",
                   fmt::format("troupe show {}", to_string(id))};
    if (member >= record_.next && search_->learns())
      return Error{
          Errc::conflict, fmt::format("{} was not skipped", to_string(id)),
          fmt::format("strategy {} has not chosen its point yet", record_.sweep.strategy),
          fmt::format("troupe set {} trials=N makes fewer members", to_string(record_.id))};
  }
  return ok();
}

void ExperimentSetState::note_event(const std::string& kind, const std::string& cause) {
  Event event;
  event.time = context_->clock->now();
  event.kind = kind;
  event.subject = to_string(record_.id);
  event.project = record_.spec->project;
  event.cause = cause;
  unsaved_.push_back(std::move(event));
}

Result<void> ExperimentSetState::apply_change(const std::string& user,
                                              const api::SetChange& wanted) {
  if (is_terminal(record_.state) || stopping_ || !study_)
    return Error{
        Errc::conflict, fmt::format("set {} cannot be changed", to_string(record_.id)),
        is_terminal(record_.state) ? fmt::format("it is {}", to_string(record_.state))
                                   : fmt::format("it is ending: {}", record_.reason),
        fmt::format("submit another; sweep.from: {} learns from this one", record_.id.top)};
  auto sweep = changed_sweep(wanted.changes);
  if (!sweep) return std::move(sweep).error();
  TROUPE_TRY(check_skips(wanted.skip));
  TROUPE_TRY(search_->check(*context_->ledger, record_, wanted));
  search_->keep_from(record_.next - 1);
  if (!wanted.changes.empty()) {
    auto text = fmt::format("changed by {}: {}", user, json_text(Value{wanted.changes}));
    search_->change(wanted.changes, text);
    TROUPE_TRY(study_->set_stop_when(sweep->stop_when));
    note_event("change", text);
  }
  if (!record_.submitted) record_.submitted = std::make_shared<const SweepSpec>(record_.sweep);
  record_.sweep = std::move(*sweep);
  for (const auto& point : wanted.add) {
    search_->add_point(point, fmt::format("added by {}", user));
    if (record_.sweep.trials) ++*record_.sweep.trials;
  }
  if (!wanted.add.empty())
    note_event("change", fmt::format("{} points added by {}", wanted.add.size(), user));
  for (auto member : wanted.skip) {
    auto cause = fmt::format("skipped by {}", user);
    if (member < record_.next)
      search_->dismiss(member, cause);
    else
      search_->skip(member, cause);
  }
  record_.size = search_->size();
  study_->resize(record_.size);
  return ok();
}

}  // namespace troupe::actors
