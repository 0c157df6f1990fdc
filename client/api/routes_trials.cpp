// Ask and tell: people who run the members of a set themselves.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/suggest.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

namespace troupe::api {

namespace {

constexpr size_t body_max = 64u << 10;   // metrics of one trial
constexpr size_t change_max = 1u << 20;  // points
constexpr size_t scratch_words = 512;    // on the stack: the requests that loops make all day

Result<AskRequest> ask_from(wire::AskRequest::Reader in, const std::string& header) {
  AskRequest request;
  request.count = in.getCount();
  request.key = header.empty() ? from_text(in.getKey()) : header;
  if (request.count == 0 || request.count > AskRequest::count_max)
    return Error{Errc::invalid, "the trials were not given",
                 fmt::format("count is {}", request.count),
                 fmt::format("ask for 1 to {} at a time", AskRequest::count_max)};
  if (request.key.size() > 200)
    return Error{Errc::invalid, "the trials were not given",
                 "the idempotency key is longer than 200 bytes", "use a UUID"};
  return request;
}

Result<TellRequest> tell_from(wire::TellRequest::Reader in) {
  TellRequest request;
  request.trial = in.getTrial();
  if (request.trial == 0)
    return Error{Errc::invalid, "the result was not taken", "it does not say of which trial",
                 "add trial: its number, as the question for it was answered"};
  if (auto text = from_text(in.getState()); !text.empty()) {
    auto state = state_from_string(text);
    if (!state || (*state != State::finished && *state != State::failed &&
                   *state != State::killed && *state != State::running))
      return Error{Errc::invalid, "the result was not taken",
                   fmt::format("\"{}\" is no state that can be told", text),
                   suggestion(text, {"FINISHED", "FAILED", "KILLED", "RUNNING"})};
    request.state = *state;
  }
  if (in.hasMetrics()) {
    auto metrics = values_from(in.getMetrics());
    if (!metrics) return std::move(metrics).error();
    request.metrics = std::move(*metrics);
  }
  if (in.hasValue()) {
    auto value = value_from(in.getValue());
    if (!value) return std::move(value).error();
    request.value = std::move(*value);
  }
  return request;
}

void set_trials(capnp::List<wire::Trial>::Builder out, const std::vector<Trial>& trials) {
  for (uint32_t i = 0; i < trials.size(); ++i) {
    const auto& trial = trials[i];
    set_text(to_string(trial.id), [&](auto text) { out[i].setId(text); });
    out[i].setTrial(trial.id.member);
    set_values(out[i].initParams(), ValueMap{trial.params.begin(), trial.params.end()});
    out[i].setState(to_text(to_string(trial.state)));
    set_text(rfc3339(trial.asked), [&](auto text) { out[i].setAsked(text); });
  }
}

kj::Promise<void> send_asked(Exchange& x, const Asked& asked) {
  capnp::word scratch[scratch_words] = {};
  capnp::MallocMessageBuilder message{kj::ArrayPtr<capnp::word>(scratch, scratch_words)};
  auto out = message.initRoot<wire::Asked>();
  set_trials(out.initTrials(static_cast<uint32_t>(asked.trials.size())), asked.trials);
  out.setDone(asked.done);
  out.setRepeated(asked.repeated);
  if (!asked.reason.empty()) set_text(asked.reason, [&](auto text) { out.setReason(text); });
  return x.send_json(out.asReader());
}

kj::Promise<void> send_told(Exchange& x, const Told& told) {
  capnp::word scratch[scratch_words] = {};
  capnp::MallocMessageBuilder message{kj::ArrayPtr<capnp::word>(scratch, scratch_words)};
  auto out = message.initRoot<wire::Told>();
  set_text(to_string(told.id), [&](auto text) { out.setId(text); });
  out.setState(to_text(to_string(told.state)));
  out.setStop(told.stop);
  if (!told.reason.empty()) set_text(told.reason, [&](auto text) { out.setReason(text); });
  out.setBest(told.best);
  out.setDone(told.done);
  out.setRepeated(told.repeated);
  return x.send_json(out.asReader());
}

kj::Promise<void> ask(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  capnp::word scratch[scratch_words] = {};
  capnp::MallocMessageBuilder message{kj::ArrayPtr<capnp::word>(scratch, scratch_words)};
  auto in = message.initRoot<wire::AskRequest>();
  if (!x.body.empty())
    if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  auto request = ask_from(in.asReader(), x.idempotency_key);
  if (!request) return x.send_error(request.error());
  return x.service().ask(x.caller, *id, std::move(*request)).then([&x](Result<Asked>&& asked) {
    return asked ? send_asked(x, *asked) : x.send_error(asked.error());
  });
}

kj::Promise<void> pending(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  auto trials = x.service().pending_trials(x.caller, *id);
  if (!trials) return x.send_error(trials.error());
  Asked asked;
  asked.trials = std::move(*trials);
  return send_asked(x, asked);
}

kj::Promise<void> tell(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  capnp::word scratch[scratch_words] = {};
  capnp::MallocMessageBuilder message{kj::ArrayPtr<capnp::word>(scratch, scratch_words)};
  auto in = message.initRoot<wire::TellRequest>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  auto request = tell_from(in.asReader());
  if (!request) return x.send_error(request.error());
  return x.service().tell(x.caller, *id, std::move(*request)).then([&x](Result<Told>&& told) {
    return told ? send_told(x, *told) : x.send_error(told.error());
  });
}

Result<SetChange> change_from(wire::SetChange::Reader in) {
  SetChange change;
  if (in.hasChanges()) {
    auto changes = values_from(in.getChanges());
    if (!changes) return std::move(changes).error();
    change.changes = std::move(*changes);
  }
  for (auto point : in.getAdd()) {
    auto values = values_from(point);
    if (!values) return std::move(values).error();
    change.add.emplace_back(values->begin(), values->end());
  }
  for (auto member : in.getSkip()) change.skip.push_back(member);
  if (change.changes.empty() && change.add.empty() && change.skip.empty())
    return Error{Errc::invalid, "nothing is to be changed", "changes, add and skip are empty",
                 "name a key, such as changes: {concurrency: 8}"};
  if (change.add.size() > SetChange::add_max || change.skip.size() > SetChange::skip_max)
    return Error{
        Errc::invalid, "the set was not changed",
        fmt::format("{} points and {} members are too many at once", change.add.size(),
                    change.skip.size()),
        fmt::format("at most {} points and {} members", SetChange::add_max, SetChange::skip_max)};
  return change;
}

kj::Promise<void> change(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  capnp::MallocMessageBuilder message;
  auto in = message.initRoot<wire::SetChange>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  auto request = change_from(in.asReader());
  if (!request) return x.send_error(request.error());
  return x.service()
      .change_set(x.caller, *id, std::move(*request))
      .then([&x, id = *id](Result<bool>&& changed) {
        if (!changed) return x.send_error(changed.error());
        auto entry = x.service().show(x.caller, id);
        if (!entry) return x.send_error(entry.error());
        capnp::MallocMessageBuilder answer;
        auto out = answer.initRoot<wire::Entry>();
        set_entry(out, *entry);
        return x.send_json(out.asReader());
      });
}

}  // namespace

void add_trial_routes(std::vector<Route>& routes) {
  auto asked = capnp::Schema::from<wire::Asked>();
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/sets/{id}:ask",
                    ask,
                    "Points of a set whose members are run elsewhere",
                    {},
                    capnp::Schema::from<wire::AskRequest>(),
                    asked,
                    "application/json",
                    body_max});
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/sets/{id}:ask",
                    pending,
                    "Trials that were asked for and not told yet",
                    {},
                    std::nullopt,
                    asked});
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/sets/{id}:tell",
                    tell,
                    "What came of one of these trials",
                    {},
                    capnp::Schema::from<wire::TellRequest>(),
                    capnp::Schema::from<wire::Told>(),
                    "application/json",
                    body_max});
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/sets/{id}:change",
                    change,
                    "Other limits, further points, members that are not to be tried",
                    {},
                    capnp::Schema::from<wire::SetChange>(),
                    capnp::Schema::from<wire::ExperimentSet>(),
                    "application/json",
                    change_max});
}

}  // namespace troupe::api
