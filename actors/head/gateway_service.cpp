#include "actors/head/gateway_service.hpp"

#include "actors/head/checkpoint_books.hpp"
#include "client/api/convert.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/version.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

/// The answer of a batch of one; a function object, as KJ's promises want it.
struct OnlyAnswer {
  Result<api::Submitted> operator()(Result<std::vector<Result<api::Submitted>>> answer) const {
    if (!answer) return std::move(answer).error();
    return std::move(answer->front());
  }
};

constexpr auto submit_timeout =
    std::chrono::seconds{65};  // longer than the director's own wait for a commit

Error not_found(ExperimentId id) {
  return Error{Errc::not_found, fmt::format("experiment {} not found", to_string(id)),
               "there is none with this id", "troupe ls -a"};
}

Error job_may_not(std::string_view verb) {
  return Error{Errc::refused, fmt::format("a job's token may not {}", verb),
               "it is good for its own experiment alone", "use your own login"};
}

}  // namespace

GatewayService::GatewayService(HeadContextRef context, GatewayPeers peers, caf::actor bridge,
                               kj::Timer& timer)
    : context_{std::move(context)},
      peers_{std::move(peers)},
      bridge_{std::move(bridge)},
      timer_{timer},
      gather_{[this](SubmitBatch batch) { return submit_batch(std::move(batch)); }},
      trials_{[this](TrialCalls calls) { return ask_set(std::move(calls)); }} {}

void GatewayService::events_came(uint64_t last) {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    if (it->after >= last && it->fulfiller->isWaiting()) {
      ++it;
      continue;
    }
    if (it->fulfiller->isWaiting()) it->fulfiller->fulfill();
    it = waiters_.erase(it);
  }
}

Result<api::Caller> GatewayService::authenticate(const std::string& token) {
  if (token.starts_with("tj_")) return authenticate_job(token);
  Error unknown{Errc::unauthenticated, "not logged in",
                token.empty() ? "no token was sent" : "the token is not known", "troupe login URL"};
  if (token.empty()) return unknown;
  auto known = context_->ledger->token(sha256_hex(token));
  if (!known) return std::move(known).error();
  if (!*known) return unknown;
  if ((**known).expires && (**known).expires < context_->clock->now()) {
    unknown.detail = "the token has expired";
    return unknown;
  }
  return api::Caller{(**known).user, (**known).admin, {}};
}

/// "tj_42.7-<epoch>_<proof>": good while that attempt is the newest and has not ended.
Result<api::Caller> GatewayService::authenticate_job(const std::string& token) {
  Error bad{Errc::unauthenticated, "not logged in",
            "the job's token is not good, or its job has ended",
            "use your own login: troupe login URL"};
  auto dash = token.find('-');
  auto underscore = token.find('_', 3);
  if (dash == std::string::npos || underscore == std::string::npos || dash > underscore) return bad;
  auto id = parse_experiment_id(token.substr(3, dash - 3));
  if (!id) return bad;
  auto epoch = std::strtoull(token.c_str() + dash + 1, nullptr, 10);
  if (!equal_constant_time(token, job_token(context_->secret, *id, epoch))) return bad;
  auto record = context_->ledger->experiment(*id);
  if (!record || !*record || is_terminal((**record).state)) return bad;
  if (!(**record).attempts.empty() && (**record).attempts.back().epoch > epoch) return bad;
  return api::Caller{(**record).user, false, *id};
}

/// What the caller may not see does not exist for it.
Result<api::Entry> GatewayService::entry(const api::Caller& caller, ExperimentId id) {
  if (caller.job && caller.job->top != id.top) return not_found(id);
  auto found = context_->ledger->find(id);
  if (!found) return std::move(found).error();
  if (*found) return std::move(**found);
  if (id.is_member()) return unborn_member(id);
  return not_found(id);
}

Result<ExperimentRecord> GatewayService::experiment(const api::Caller& caller, ExperimentId id) {
  auto found = entry(caller, id);
  if (!found) return std::move(found).error();
  if (auto* record = std::get_if<ExperimentRecord>(&*found)) return std::move(*record);
  return Error{Errc::invalid, fmt::format("{} is a set", to_string(id)),
               "this is asked of one experiment",
               fmt::format("name a member: {}.1", to_string(id))};
}

Result<api::Entry> GatewayService::show(const api::Caller& caller, ExperimentId id) {
  auto found = entry(caller, id);
  if (!found) return found;
  if (auto* experiment = std::get_if<ExperimentRecord>(&*found))
    experiment->checkpoints = all_checkpoints(*context_->ledger, *experiment);
  return found;
}

Result<ExperimentId> GatewayService::last(const api::Caller& caller, const std::string& project) {
  if (caller.job) return caller.job->parent();
  auto id = context_->ledger->last(caller.user, project);
  if (!id) return std::move(id).error();
  if (!*id)
    return Error{Errc::not_found, fmt::format("nothing was run in project {} yet", project),
                 "there is no last experiment", "troupe run, or name an id"};
  return **id;
}

kj::Promise<Result<std::vector<Result<api::Submitted>>>> GatewayService::submit_batch(
    SubmitBatch batch) {
  return bridge_
      .ask<SubmittedRef>(peers_.director, submit_timeout, "a submission", submit_atom_v,
                         share(std::move(batch)))
      .then([](Result<SubmittedRef> answer) -> Result<std::vector<Result<api::Submitted>>> {
        if (!answer) return std::move(answer).error();
        return std::move(**answer);
      });
}

kj::Promise<Result<api::Submitted>> GatewayService::submit(const api::Caller& caller,
                                                           Submission submission) {
  if (caller.job) return Result<api::Submitted>{job_may_not("submit")};
  return gather_.submit(caller.user, std::move(submission));
}

kj::Promise<std::vector<Result<api::Submitted>>> GatewayService::submit_many(
    const api::Caller& caller, std::vector<Submission> submissions) {
  auto count = submissions.size();
  if (caller.job) return std::vector<Result<api::Submitted>>(count, job_may_not("submit"));
  if (count == 0) return std::vector<Result<api::Submitted>>{};
  SubmitBatch batch;
  batch.user = caller.user;
  batch.submissions = std::move(submissions);
  return submit_batch(std::move(batch))
      .then([count](Result<std::vector<Result<api::Submitted>>> answer) {
        if (!answer) return std::vector<Result<api::Submitted>>(count, answer.error());
        return std::move(*answer);
      });
}

kj::Promise<Result<api::Submitted>> GatewayService::rerun(const api::Caller& caller,
                                                          ExperimentId id,
                                                          api::RerunChanges changes) {
  if (caller.job) return Result<api::Submitted>{job_may_not("submit")};
  auto found = entry(caller, id);
  if (!found) return Result<api::Submitted>{std::move(found).error()};
  Submission submission;
  if (auto* set = std::get_if<SetRecord>(&*found)) {
    submission.experiment = *set->spec;
    submission.sweep = set->sweep;
  } else {
    auto& record = std::get<ExperimentRecord>(*found);
    submission.experiment = *record.spec;
    submission.experiment.parameters.clear();
    for (const auto& [name, value] : record.params)
      submission.experiment.parameters.push_back({name, {value}, {}});
  }
  for (const auto& [name, value] : changes.params) {
    auto& parameters = submission.experiment.parameters;
    auto it = std::find_if(parameters.begin(), parameters.end(),
                           [&](const Parameter& p) { return p.name == name; });
    if (it == parameters.end())
      return Result<api::Submitted>{
          Error{Errc::invalid, fmt::format("there is no parameter {}", name),
                fmt::format("{} does not have it", to_string(id)), "troupe show lists them"}};
    *it = Parameter{name, {value}, {}};
  }
  submission.key = changes.key;
  if (auto applied = api::apply_options(submission, changes.options); !applied)
    return Result<api::Submitted>{applied.error()};
  SubmitBatch batch;
  batch.user = caller.user;
  batch.submissions.push_back(std::move(submission));
  batch.rerun_of.push_back(to_string(id));
  return submit_batch(std::move(batch)).then(OnlyAnswer{});
}

kj::Promise<Result<api::Entry>> GatewayService::kill(const api::Caller& caller, ExperimentId id) {
  auto found = entry(caller, id);
  if (!found) return Result<api::Entry>{std::move(found).error()};
  auto state = std::visit([](const auto& record) { return record.state; }, *found);
  if (is_terminal(state)) return kj::Promise<Result<api::Entry>>{kj::mv(found)};
  if (auto stored = context_->ledger->find(id); stored && !*stored)
    return Result<api::Entry>{Error{Errc::conflict,
                                    fmt::format("{} does not exist yet", to_string(id)),
                                    "members are made as places become free",
                                    fmt::format("troupe kill {} ends the whole set", id.top)}};
  auto cause = fmt::format("killed by {}", caller.user);
  return bridge_.ask<bool>(peers_.director, submit_timeout, "a kill", kill_atom_v, cause, id)
      .then([this, caller, id](Result<bool> done) -> Result<api::Entry> {
        if (!done) return std::move(done).error();
        return entry(caller, id);
      });
}

kj::Promise<Result<api::Waiting>> GatewayService::why(const api::Caller& caller, ExperimentId id) {
  auto found = entry(caller, id);
  if (!found) return Result<api::Waiting>{std::move(found).error()};
  api::Waiting waiting;
  if (auto* set = std::get_if<SetRecord>(&*found)) {
    waiting.state = set->state;
    waiting.reasons.push_back(fmt::format("{}: {} of {} members have ended", set->reason,
                                          set->finished + set->failed + set->killed, set->size));
    return Result<api::Waiting>{std::move(waiting)};
  }
  auto& record = std::get<ExperimentRecord>(*found);
  waiting.state = record.state;
  if (id.is_member()) waiting.search = search_story(id);
  if (record.state != State::queued) {
    waiting.reasons.push_back(fmt::format("it is {}: {}", to_string(record.state), record.reason));
    if (record.error && !record.error->detail.empty())
      waiting.reasons.push_back(record.error->detail);
    if (!record.attempts.empty())
      for (const auto& note : record.attempts.back().receipt.notes) waiting.reasons.push_back(note);
    return Result<api::Waiting>{std::move(waiting)};
  }
  if (!record.paused.empty()) {
    waiting.reasons.push_back(fmt::format("its turn has not come: {}", record.paused));
    return Result<api::Waiting>{std::move(waiting)};
  }
  if (auto stored = context_->ledger->find(id); stored && !*stored) {
    waiting.reasons.push_back("its set makes it when a place becomes free: lower members go first");
    return Result<api::Waiting>{std::move(waiting)};
  }
  return bridge_.ask<WaitingRef>(peers_.director, read_timeout, "why", why_atom_v, id)
      .then([search = waiting.search,
             stopped = record.preempted](Result<WaitingRef> answer) -> Result<api::Waiting> {
        if (!answer) return std::move(answer).error();
        (**answer).search = search;
        (**answer).state = State::queued;
        auto& reasons = (**answer).reasons;
        if (reasons.empty()) reasons.push_back("it starts in a moment");
        if (!stopped.empty()) reasons.push_back("it was stopped: " + stopped);
        return std::move(**answer);
      });
}

Result<std::vector<std::string>> GatewayService::metric_names(const api::Caller& caller,
                                                              ExperimentId id) {
  auto found = entry(caller, id);
  if (!found) return std::move(found).error();
  return context_->series->names(id);
}

Result<std::vector<api::MetricPoint>> GatewayService::metric(const api::Caller& caller,
                                                             ExperimentId id,
                                                             const std::string& name,
                                                             uint32_t limit) {
  auto found = entry(caller, id);
  if (!found) return std::move(found).error();
  auto points = context_->series->read(id, name, limit);
  if (!points) return std::move(points).error();
  if (points->empty())
    return Error{Errc::not_found,
                 fmt::format("experiment {} has no metric {}", to_string(id), name),
                 "it was never reported", fmt::format("troupe metrics {}", to_string(id))};
  std::vector<api::MetricPoint> answer;
  for (const auto& point : *points) answer.push_back({point.step, point.value, point.time});
  return answer;
}

kj::Promise<Result<std::vector<api::NodeView>>> GatewayService::nodes(const api::Caller&) {
  return bridge_.ask<NodeViewsRef>(peers_.registry, read_timeout, "the nodes", nodes_atom_v)
      .then([this](Result<NodeViewsRef> answer) -> Result<std::vector<api::NodeView>> {
        if (!answer) return std::move(answer).error();
        for (auto& view : **answer)
          if (view.cache) name_datasets(view.cache->versions);
        return std::move(**answer);
      });
}

Result<api::EventPage> GatewayService::events(const api::Caller& caller, uint64_t after,
                                              uint32_t limit) {
  auto read = context_->ledger->read_events(after, limit);
  if (!read) return std::move(read).error();
  api::EventPage page;
  page.last = read->last;
  for (auto& event : read->events) {
    if (caller.job && event.subject != to_string(*caller.job) &&
        event.subject != to_string(caller.job->parent()))
      continue;
    page.events.push_back(std::move(event));
  }
  return page;
}

kj::Promise<void> GatewayService::events_after(uint64_t after) {
  if (context_->ledger->last_event() > after) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back({after, kj::mv(paf.fulfiller)});
  return kj::mv(paf.promise);
}

std::string GatewayService::metrics_page() {
  return context_->metrics->open_metrics();
}
std::string GatewayService::version() {
  return std::string{troupe_version};
}

}  // namespace troupe::actors
