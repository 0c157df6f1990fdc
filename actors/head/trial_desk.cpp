#include "actors/head/trial_desk.hpp"

#include "actors/head/set_record.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr uint32_t trials_at_once = 1000;

/// No submission has such a key.
std::string key_of(uint64_t top, const std::string& key) {
  return fmt::format("ask\n{}\n{}", top, key);
}

}  // namespace

Result<TrialDesk> TrialDesk::make(HeadContextRef context, SetRecord record, bool fresh) {
  auto search = SetSearch::make(record);
  if (!search) return std::move(search).error();
  auto study = study_of(record);
  if (!study) return std::move(study).error();
  TrialDesk desk{std::move(context), std::move(record), std::move(*search), std::move(*study)};
  if (desk.record_.sweep.early_stop.is_map()) {
    auto rule = hpo::read_early_stop(desk.record_.sweep.early_stop);
    if (!rule) return std::move(rule).error();
    desk.rule_ = std::move(*rule);
  }
  if (!fresh) TROUPE_TRY(desk.resume());
  if (desk.record_.sweep.from && desk.search_.is_fresh())
    TROUPE_TRY(desk.search_.learn_from(*desk.context_->ledger, *desk.record_.sweep.from));
  desk.finish_if_done();
  return desk;
}

/// What is asked and told is written whole, so there is nothing to settle.
Result<void> TrialDesk::resume() {
  if (search_.is_kept()) TROUPE_TRY(search_.recall(*context_->ledger, record_));
  for (uint32_t from = 1; from < record_.next;) {
    auto members = context_->ledger->members(record_.id.top, from, trials_at_once);
    if (!members) return std::move(members).error();
    if (members->empty()) break;
    from = members->back().id.member + 1;
    for (auto& member : *members) {
      auto number = member.id.member;
      if (is_terminal(member.state))
        study_.report(number, member.state, member.metrics);
      else
        running_.emplace(number, std::make_shared<const ExperimentRecord>(std::move(member)));
    }
  }
  copy_study();
  stopping_ = study_.decision().stop;
  return ok();
}

bool TrialDesk::is_over() const {
  return is_terminal(record_.state) || stopping_ || record_.next > record_.size;
}

std::string TrialDesk::over_text() const {
  if (is_terminal(record_.state) || stopping_) return record_.reason;
  return fmt::format("all {} trials were asked for", record_.size);
}

Result<api::Asked> TrialDesk::ask(const std::string& user, const api::AskRequest& request) {
  if (!request.key.empty()) {
    auto before = asked_before(user, request.key);
    if (!before) return std::move(before).error();
    if (*before) return std::move(**before);
  }
  if (is_terminal(record_.state) && record_.state != State::finished) return set_has_ended(record_);
  expire(context_->clock->now());
  const size_t limit = record_.sweep.concurrency.value_or(limits::trials_running_max);
  std::vector<uint32_t> numbers;
  api::Asked asked;
  while (numbers.size() < request.count) {
    // A key stands for trials that follow one another.
    if (request.key.empty() && !unclaimed_.empty()) {
      numbers.push_back(unclaimed_.back());
      unclaimed_.pop_back();
      continue;
    }
    if (is_over()) break;
    if (running_.size() >= std::min<size_t>(limit, limits::trials_running_max)) {
      asked.reason = fmt::format("{} trials are running, as many as may: tell what came of one",
                                 running_.size());
      break;
    }
    auto made = make_trial(user, numbers);
    if (!made && made.error().code == Errc::exhausted) break;
    if (!made && numbers.empty()) return std::move(made).error();
    if (!made) break;
  }
  asked.done = is_over() && unclaimed_.empty();
  if (numbers.size() < request.count && asked.done) asked.reason = over_text();
  for (auto number : numbers) {
    auto one = trial(number);
    if (!one) return std::move(one).error();
    asked.trials.push_back(std::move(*one));
  }
  if (numbers.empty()) {
    finish_if_done();
    return asked;
  }
  if (request.key.empty()) {
    unanswered_.insert(unanswered_.end(), numbers.begin(), numbers.end());
    return asked;
  }
  changes_.push_back(storage::PutKey{user,
                                     key_of(record_.id.top, request.key),
                                     {record_.id.top, numbers.front()},
                                     true,
                                     numbers.size()});
  keys_.insert_or_assign(user + '\0' + request.key, std::move(numbers));
  return asked;
}

Result<std::optional<api::Asked>> TrialDesk::asked_before(const std::string& user,
                                                          const std::string& key) {
  std::vector<uint32_t> numbers;
  if (auto fresh = keys_.find(user + '\0' + key); fresh != keys_.end()) {
    numbers = fresh->second;
  } else {
    auto kept = context_->ledger->idempotent(user, key_of(record_.id.top, key));
    if (!kept) return std::move(kept).error();
    if (!*kept) return std::optional<api::Asked>{};
    for (uint64_t i = 0; i < (**kept).size; ++i)
      numbers.push_back((**kept).id.member + static_cast<uint32_t>(i));
  }
  api::Asked asked;
  asked.repeated = true;
  asked.done = is_over() && unclaimed_.empty();
  for (auto number : numbers) {
    auto one = trial(number);
    if (!one) return std::move(one).error();
    asked.trials.push_back(std::move(*one));
  }
  return std::optional{std::move(asked)};
}

Result<std::shared_ptr<const ExperimentRecord>> TrialDesk::known(uint32_t number) {
  for (const auto* where : {&running_, &ended_})
    if (auto it = where->find(number); it != where->end()) return it->second;
  ExperimentId id{record_.id.top, number};
  Error missing{Errc::not_found, fmt::format("there is no trial {}", to_string(id)),
                fmt::format("{} of set {} were asked for", record_.next - 1, id.top),
                "tell the number that came with the point"};
  if (number == 0 || number >= record_.next) return missing;
  auto kept = context_->ledger->experiment(id);
  if (!kept) return std::move(kept).error();
  if (!*kept) return missing;
  return std::make_shared<const ExperimentRecord>(std::move(**kept));
}

Result<api::Trial> TrialDesk::trial(uint32_t number) {
  auto record = known(number);
  if (!record) return std::move(record).error();
  return api::Trial{(**record).id, (**record).params, (**record).state, (**record).created};
}

Result<void> TrialDesk::make_trial(const std::string& user, std::vector<uint32_t>& numbers) {
  auto point = search_.next(record_.next);
  if (!point && point.error().code == Errc::exhausted) {
    record_.size = record_.next - 1;
    study_.no_more(record_.size, point.error().detail);
    changed_ = true;
  }
  if (!point) return std::move(point).error();
  auto now = context_->clock->now();
  ExperimentRecord record;
  record.id = {record_.id.top, static_cast<uint32_t>(record_.next++)};
  record.user = user;
  record.spec = record_.spec;
  record.params = std::move(*point);
  record.state = State::running;
  record.reason = fmt::format("asked for by {}", user);
  record.created = record.queued = record.started = now;
  numbers.push_back(record.id.member);
  changes_.push_back(storage::AppendEvent{
      state_event(record.id, record_.spec->project, "", State::running, record.reason, now)});
  if (record_.state == State::queued) {
    record_.started = now;
    become(State::running, "its first trial was asked for");
  }
  put(std::move(record), true);
  changed_ = true;
  return ok();
}

void TrialDesk::put(ExperimentRecord record, bool is_new) {
  auto number = record.id.member;
  bool over = is_terminal(record.state);
  auto shared = std::make_shared<const ExperimentRecord>(std::move(record));
  changes_.push_back(storage::PutExperiment{shared, is_new});
  if (over) running_.erase(number);
  (over ? ended_ : running_).insert_or_assign(number, std::move(shared));
}

/// Whether what is needed of the trial is known now.
Result<void> TrialDesk::check_whole(ExperimentId id, const api::TellRequest& request,
                                    const ExperimentRecord& record,
                                    const std::map<std::string, double>& given) const {
  if (request.state == State::failed || request.state == State::killed) return ok();
  for (const auto& metric : objectives(record_.sweep))
    if (!given.contains(metric.name) &&
        (request.state == State::running || !record.metrics.contains(metric.name)))
      return not_taken(
          id, fmt::format("the metric {} is missing", metric.name),
          fmt::format("tell metrics: {{\"{}\": VALUE}}, or state FAILED", metric.name));
  if (request.state == State::running && rule_ && !given.contains(rule_->resource))
    return not_taken(
        id, fmt::format("{} is missing, by which early stopping compares", rule_->resource),
        fmt::format("tell metrics: {{\"{}\": NUMBER, ...}}", rule_->resource));
  return ok();
}

void TrialDesk::report(ExperimentRecord& record, const std::map<std::string, double>& given) {
  for (const auto& [name, value] : given) {
    if (name == "step") continue;
    record.metrics.insert_or_assign(name, value);
    auto [extremes, first] = record.extremes.try_emplace(name, Extremes{value, value});
    extremes->second.min = std::min(extremes->second.min, value);
    extremes->second.max = std::max(extremes->second.max, value);
  }
  if (!rule_ || !record_.sweep.metric) return;
  auto resource = given.find(rule_->resource);
  auto value = given.find(record_.sweep.metric->name);
  if (resource != given.end() && value != given.end())
    search_.report(record.id.member, resource->second, value->second);
}

Result<api::Told> TrialDesk::tell(const std::string& cause, const api::TellRequest& request) {
  ExperimentId id{record_.id.top, request.trial};
  auto found = known(request.trial);
  if (!found) return std::move(found).error();
  auto given = numbers_of(record_.sweep, id, request);
  if (!given) return std::move(given).error();
  if (is_terminal((**found).state)) {
    if (!is_same(**found, request, *given)) return ended_already(**found);
    auto again = told_as(**found);
    again.repeated = true;
    again.best = record_.best_member == request.trial;
    again.done = is_over();
    return again;
  }
  TROUPE_TRY(check_whole(id, request, **found, *given));
  auto record = **found;
  report(record, *given);
  std::erase(unclaimed_, request.trial);
  api::Told told;
  if (auto stop = search_.stopping().find(request.trial); stop != search_.stopping().end())
    told.reason = stop->second;
  if (request.state == State::running) {
    auto metrics = record.metrics;
    put(std::move(record), false);
    told.stop = !told.reason.empty();
    follow(study_.report(request.trial, State::running, metrics));
  } else {
    end(std::move(record), request.state, cause);
  }
  auto now = known(request.trial);
  if (!now) return std::move(now).error();
  told.id = id;
  told.state = (**now).state;
  told.best = record_.best_member == request.trial;
  told.done = is_over();
  if (request.state == State::running && is_terminal(told.state)) {  // with its set
    told.stop = true;
    told.reason = (**now).reason;
  }
  return told;
}

std::vector<storage::Mutation> TrialDesk::take() {
  auto mutations = std::exchange(unwritten_, {});
  mutations.insert(mutations.end(), std::make_move_iterator(changes_.begin()),
                   std::make_move_iterator(changes_.end()));
  changes_.clear();
  if (auto news = search_.take()) mutations.emplace_back(std::move(*news));
  if (std::exchange(changed_, false))
    mutations.emplace_back(storage::PutSet{std::make_shared<const SetRecord>(record_), false});
  return mutations;
}

void TrialDesk::written() {
  ended_.clear();
  keys_.clear();
  unanswered_.clear();
}

void TrialDesk::failed(const std::vector<storage::Mutation>& mutations) {
  unwritten_ = mutations;
  for (auto number : std::exchange(unanswered_, {}))
    if (running_.contains(number)) unclaimed_.push_back(number);
}

}  // namespace troupe::actors
