// The searches of sets: what people ask and tell, what the ledger says of them.
#include "actors/head/gateway_service.hpp"
#include "actors/head/trial_answers.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A thousand suggestions of the dearest strategy.
constexpr auto replay_timeout = std::chrono::minutes{5};
// Longer than the director's own wait for the set.
constexpr auto trial_timeout = std::chrono::seconds{65};

std::string end_text(const SearchEntry& entry) {
  std::string values;
  for (auto value : entry.values)
    values += fmt::format("{}{:.6g}", values.empty() ? "" : ", ", value);
  switch (entry.outcome) {
    case SearchEntry::Outcome::completed:
      return values.empty() ? "it ended without a value: the search takes it for a failure"
                            : fmt::format("its result: {}", values);
    case SearchEntry::Outcome::stopped:
      // The budget, or somebody, stops where nobody counts a resource.
      return fmt::format("its result when it was stopped{}: {}",
                         entry.step > 0 ? fmt::format(", at {:.6g}", entry.step) : "", values);
    case SearchEntry::Outcome::failed:
      return "it failed: the search takes its point for a bad one";
    case SearchEntry::Outcome::cancelled:
      break;
  }
  return "it was ended from outside: the search learns nothing from it";
}

/// How a strategy that learns nothing comes to its points; empty for others.
std::string drawn_text(const SweepSpec& sweep) {
  if (sweep.strategy == "grid") return "its point: the next of the grid, in its order";
  if (sweep.strategy == "list") return "its point: the next of the list";
  const auto seed = sweep.seed.value_or(0);
  if (sweep.strategy == "random")
    return fmt::format("its point: drawn at random with seed {}, whatever became of others", seed);
  if (sweep.strategy == "sobol")
    return fmt::format("its point: the next of a Sobol sequence, scrambled with seed {}", seed);
  return "";
}

/// What an entry of a member's search tells people; empty where it is nothing to them.
std::string told_text(const SearchEntry& entry) {
  using Kind = SearchEntry::Kind;
  switch (entry.kind) {
    case Kind::born:
      return entry.note.empty() ? "" : fmt::format("its point: {}", entry.note);
    case Kind::stop:
      return fmt::format("stopped early: {}", entry.note);
    case Kind::pause:
      return fmt::format("it gave its place away: {}", entry.note);
    case Kind::promote:
      return fmt::format("its turn came, to go on from {:.6g}: it was the best that waited",
                         entry.step);
    case Kind::dismiss:
    case Kind::skip:
      return entry.note;
    case Kind::ended:
      return end_text(entry);
    case Kind::told:
    case Kind::report:
    case Kind::change:
    case Kind::add:
      break;
  }
  return "";
}

Result<void> may_ask(const api::Caller& caller, ExperimentId set) {
  if (caller.job)
    return Error{Errc::refused, "a job's token may not ask for trials",
                 "it is good for its own experiment alone", "use your own login"};
  if (set.is_member())
    return Error{Errc::invalid, fmt::format("{} is a member", to_string(set)),
                 "points are asked of its set", fmt::format("name the set: {}", set.top)};
  return ok();
}

}  // namespace

kj::Promise<Result<api::SearchReplay>> GatewayService::replay(const api::Caller& caller,
                                                              ExperimentId set) {
  auto found = entry(caller, set);
  if (!found) return Result<api::SearchReplay>{std::move(found).error()};
  if (!std::holds_alternative<SetRecord>(*found))
    return Result<api::SearchReplay>{Error{
        Errc::invalid, fmt::format("{} is no set", to_string(set)),
        "only a set has a search to derive again", fmt::format("troupe show {}", to_string(set))}};
  return bridge_
      .ask<SearchReplayRef>(peers_.searches, replay_timeout, "a replay", check_atom_v, set.top)
      .then([](Result<SearchReplayRef> answer) -> Result<api::SearchReplay> {
        if (!answer) return std::move(answer).error();
        return std::move(**answer);
      });
}

kj::Promise<Result<TrialAnswersRef>> GatewayService::ask_set(TrialCalls calls) {
  return bridge_.ask<TrialAnswersRef>(
      peers_.director, trial_timeout, "trials", ask_atom_v,
      TrialCallsRef{std::make_shared<const TrialCalls>(std::move(calls))});
}

kj::Promise<Result<api::Asked>> GatewayService::ask(const api::Caller& caller, ExperimentId set,
                                                    api::AskRequest request) {
  if (auto allowed = may_ask(caller, set); !allowed) return Result<api::Asked>{allowed.error()};
  return trials_.ask(set.top, caller.user, std::move(request));
}

kj::Promise<Result<api::Told>> GatewayService::tell(const api::Caller& caller, ExperimentId set,
                                                    api::TellRequest request) {
  if (auto allowed = may_ask(caller, set); !allowed) return Result<api::Told>{allowed.error()};
  return trials_.tell(set.top, caller.user, std::move(request));
}

kj::Promise<Result<bool>> GatewayService::change_set(const api::Caller& caller, ExperimentId set,
                                                     api::SetChange change) {
  auto found = entry(caller, set);
  if (!found) return Result<bool>{std::move(found).error()};
  if (!std::holds_alternative<SetRecord>(*found))
    return Result<bool>{Error{Errc::invalid, fmt::format("{} is no set", to_string(set)),
                              "only a set has limits, points and members",
                              fmt::format("troupe show {}", to_string(set))}};
  return bridge_.ask<bool>(peers_.director, trial_timeout, "a change", change_atom_v, caller.user,
                           set.top,
                           SetChangeRef{std::make_shared<const api::SetChange>(std::move(change))});
}

Result<std::vector<api::Trial>> GatewayService::pending_trials(const api::Caller& caller,
                                                               ExperimentId set) {
  TROUPE_TRY(may_ask(caller, set));
  auto record = context_->ledger->set(set.top);
  if (!record) return std::move(record).error();
  if (!*record || !(**record).sweep.ask) {
    auto missing = ask_nobody(*context_->ledger, set.top);
    return std::move(missing).error();
  }
  std::vector<api::Trial> trials;
  storage::ListQuery query;
  query.set = set;
  query.state = State::running;
  query.limit = static_cast<uint32_t>(limits::page_max);
  do {
    auto page = context_->ledger->list(query);
    if (!page) return std::move(page).error();
    for (auto& entry : page->entries)
      if (auto* one = std::get_if<ExperimentRecord>(&entry))
        trials.push_back({one->id, std::move(one->params), one->state, one->created});
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty() && trials.size() < limits::trials_running_max);
  return trials;
}

/// Why its point was chosen, where it waited, why it was stopped, what came of it.
std::vector<std::string> GatewayService::search_story(ExperimentId id) {
  std::vector<std::string> story;
  bool has_point = false;
  for (uint64_t page = 0;;) {
    auto pages = context_->ledger->search(id.top, page);
    if (!pages) {
      log::error("gateway", "the search of {} cannot be read: {}", id.top,
                 to_string(pages.error()));
      return story;
    }
    if (pages->entries.empty()) break;
    page = pages->next;
    for (const auto& entry : pages->entries) {
      if (entry.trial != id.member) continue;
      auto text = told_text(entry);
      // One that waits to the end is dismissed for what it was paused for.
      if (text.empty() || (!story.empty() && story.back().ends_with(text))) continue;
      has_point = has_point || entry.kind == SearchEntry::Kind::born;
      story.push_back(std::move(text));
    }
  }
  auto set = context_->ledger->set(id.top);
  if (!has_point && set && *set)
    if (auto text = drawn_text((**set).sweep); !text.empty()) story.insert(story.begin(), text);
  return story;
}

}  // namespace troupe::actors
