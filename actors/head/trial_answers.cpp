#include "actors/head/trial_answers.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {

Error not_taken(ExperimentId id, std::string detail, std::string hint) {
  return {Errc::invalid, fmt::format("the result of {} was not taken", to_string(id)),
          std::move(detail), std::move(hint)};
}

bool is_same(const ExperimentRecord& record, const api::TellRequest& request,
             const std::map<std::string, double>& given) {
  if (record.state != request.state) return false;
  return std::all_of(given.begin(), given.end(), [&](const auto& metric) {
    auto found = record.metrics.find(metric.first);
    return metric.first == "step" ||
           (found != record.metrics.end() && found->second == metric.second);
  });
}

api::Told told_as(const ExperimentRecord& record) {
  api::Told told;
  told.id = record.id;
  told.state = record.state;
  told.reason = record.stopped;
  return told;
}

Error ended_already(const ExperimentRecord& record) {
  return {Errc::conflict, fmt::format("trial {} has ended", to_string(record.id)),
          fmt::format("it is {}: {}", to_string(record.state), record.reason),
          "each trial is told once; ask for another"};
}

Error set_has_ended(const SetRecord& set) {
  return {Errc::conflict, fmt::format("set {} has ended", to_string(set.id)),
          fmt::format("it is {}: {}", to_string(set.state), set.reason),
          "begin another: troupe sweep --ask"};
}

Result<std::map<std::string, double>> numbers_of(const SweepSpec& sweep, ExperimentId id,
                                                 const api::TellRequest& request) {
  std::map<std::string, double> numbers;
  auto take = [&](const std::string& name, const Value& value) -> Result<void> {
    if (!value.is_number() || !std::isfinite(value.as_number()))
      return not_taken(id, fmt::format("{} is {}, and no finite number", name, json_text(value)),
                       "tell a number; state FAILED where the trial gave none");
    if (name.empty() || name.size() > 200)
      return not_taken(id, "the name of a metric is empty or longer than 200 bytes",
                       "give it another");
    auto [known, is_new] = numbers.emplace(name, value.as_number());
    if (!is_new && known->second != value.as_number())
      return not_taken(
          id, fmt::format("{} is told as {} and as {}", name, known->second, value.as_number()),
          "tell it once: as `value`, or among `metrics`");
    return ok();
  };
  for (const auto& [name, value] : request.metrics) TROUPE_TRY(take(name, value));
  if (request.value.is_null()) return numbers;
  const auto wanted = objectives(sweep);
  auto values = request.value.is_list() ? request.value.as_list() : ValueList{request.value};
  if (wanted.empty())
    return not_taken(id, "the set has no metric that a bare value could be",
                     "tell metrics: {NAME: VALUE}");
  if (values.size() != wanted.size())
    return not_taken(
        id,
        fmt::format("{} values for {} ({})", values.size(), wanted.size(), objectives_text(sweep)),
        "tell one for each metric, in their order");
  for (size_t i = 0; i < wanted.size(); ++i) TROUPE_TRY(take(wanted[i].name, values[i]));
  return numbers;
}

namespace {

Result<SetRecord> ended_set(const storage::Ledger& ledger, uint64_t top) {
  auto set = ledger.set(top);
  if (!set) return std::move(set).error();
  if (!*set)
    return Error{Errc::not_found, fmt::format("there is no set {}", top), "", "troupe ls -a"};
  if (!(**set).sweep.ask)
    return Error{Errc::conflict, fmt::format("set {} runs its members itself", top),
                 "nobody is to ask for its points",
                 "make a set to ask and tell: troupe sweep --ask, or sweep: {ask: true}"};
  if (!is_terminal((**set).state))
    return Error{Errc::unavailable, fmt::format("set {} is not ready", top),
                 "the head has just begun", "try again"};
  return std::move(**set);
}

}  // namespace

Result<api::Asked> ask_nobody(const storage::Ledger& ledger, uint64_t top) {
  auto set = ended_set(ledger, top);
  if (!set) return std::move(set).error();
  if (set->state != State::finished) return set_has_ended(*set);
  api::Asked asked;
  asked.done = true;
  asked.reason = set->reason;
  return asked;
}

Result<api::Told> tell_nobody(const storage::Ledger& ledger, uint64_t top,
                              const api::TellRequest& request) {
  auto set = ended_set(ledger, top);
  if (!set) return std::move(set).error();
  ExperimentId id{top, request.trial};
  auto record = ledger.experiment(id);
  if (!record) return std::move(record).error();
  if (!*record)
    return Error{Errc::not_found, fmt::format("there is no trial {}", to_string(id)),
                 fmt::format("{} of set {} were asked for", set->next - 1, top),
                 "tell the number that came with the point"};
  auto given = numbers_of(set->sweep, id, request);
  if (!given) return std::move(given).error();
  if (!is_same(**record, request, *given)) return ended_already(**record);
  auto again = told_as(**record);
  again.repeated = again.done = true;
  again.best = set->best_member == request.trial;
  return again;
}

}  // namespace troupe::actors
