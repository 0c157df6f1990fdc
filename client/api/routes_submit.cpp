// Submitting: experiments, sets, batches, reruns.
#include "client/api/convert.hpp"
#include "client/api/error_body.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

namespace troupe::api {

namespace {

kj::Promise<void> answer(Exchange& x, Result<Submitted> result) {
  if (!result) return x.send_error(result.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Submitted>();
  set_submitted(out, *result);
  return x.send_json(out.asReader(), result->repeated ? 200 : 201);
}

kj::Promise<void> submit(Exchange& x, bool set) {
  // On the stack: most submissions fit, and this is the hottest path of all.
  capnp::word scratch[512] = {};
  capnp::MallocMessageBuilder message{kj::ArrayPtr<capnp::word>(scratch, 512)};
  auto in = message.initRoot<wire::Submission>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  if (in.hasSweep() != set) {
    auto right = set ? "/api/v1/experiments" : "/api/v1/sets";
    return x.send_error(Error{Errc::invalid, "the submission was refused",
                              set ? "there is no sweep in it" : "there is a sweep in it",
                              fmt::format("send it to POST {}", right)});
  }
  auto submission = submission_from(in.asReader());
  if (!submission) return x.send_error(submission.error());
  if (!x.idempotency_key.empty()) submission->key = x.idempotency_key;
  return x.service()
      .submit(x.caller, std::move(*submission))
      .then([&x](Result<Submitted>&& result) { return answer(x, std::move(result)); });
}

kj::Promise<void> submit_experiment(Exchange& x) {
  return submit(x, false);
}
kj::Promise<void> submit_set(Exchange& x) {
  return submit(x, true);
}

kj::Promise<void> send_results(Exchange& x, const std::vector<Result<Submitted>>& results) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SubmitResults>();
  auto list = out.initResults(static_cast<uint32_t>(results.size()));
  for (uint32_t i = 0; i < results.size(); ++i) set_submit_result(list[i], results[i]);
  return x.send_json(out.asReader());
}

kj::Promise<void> submit_batch(Exchange& x) {
  capnp::MallocMessageBuilder message;
  auto in = message.initRoot<wire::Submissions>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  auto list = in.asReader().getSubmissions();
  if (list.size() > limits::page_max)
    return x.send_error(Error{Errc::invalid, "the batch was refused",
                              fmt::format("{} submissions", list.size()),
                              fmt::format("at most {} at once", limits::page_max)});
  // Bad ones get their error in place; the others go on.
  std::vector<Result<Submitted>> results;
  std::vector<Submission> good;
  std::vector<size_t> places;
  for (auto item : list) {
    auto submission = submission_from(item);
    if (submission) {
      // One key for the whole batch: each gets its own from it, so a repetition finds them all.
      if (!x.idempotency_key.empty() && submission->key.empty())
        submission->key = fmt::format("{}#{}", x.idempotency_key, results.size());
      places.push_back(results.size());
      good.push_back(std::move(*submission));
      results.emplace_back(Submitted{});
    } else {
      results.emplace_back(std::move(submission).error());
    }
  }
  if (good.empty()) return send_results(x, results);
  return x.service()
      .submit_many(x.caller, std::move(good))
      .then([&x, results = std::move(results),
             places = std::move(places)](std::vector<Result<Submitted>>&& answers) mutable {
        for (size_t i = 0; i < places.size() && i < answers.size(); ++i)
          results[places[i]] = std::move(answers[i]);
        return send_results(x, results);
      });
}

kj::Promise<void> rerun(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  capnp::MallocMessageBuilder message;
  auto in = message.initRoot<wire::RerunRequest>();
  if (!x.body.empty())
    if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  auto changes = rerun_from(in.asReader());
  if (!changes) return x.send_error(changes.error());
  if (!x.idempotency_key.empty()) changes->key = x.idempotency_key;
  return x.service()
      .rerun(x.caller, *id, std::move(*changes))
      .then([&x](Result<Submitted>&& result) { return answer(x, std::move(result)); });
}

}  // namespace

void add_submit_routes(std::vector<Route>& routes) {
  auto submission = capnp::Schema::from<wire::Submission>();
  auto submitted = capnp::Schema::from<wire::Submitted>();
  auto post = kj::HttpMethod::POST;
  auto body = limits::http_body_max;
  routes.push_back({post,
                    "/api/v1/experiments",
                    submit_experiment,
                    "Submit one experiment",
                    {},
                    submission,
                    submitted,
                    "application/json",
                    body});
  routes.push_back({post,
                    "/api/v1/sets",
                    submit_set,
                    "Submit an experiment set (sweep)",
                    {},
                    submission,
                    submitted,
                    "application/json",
                    body});
  routes.push_back({post,
                    "/api/v1/experiments:batch",
                    submit_batch,
                    "Submit many at once",
                    {},
                    capnp::Schema::from<wire::Submissions>(),
                    capnp::Schema::from<wire::SubmitResults>(),
                    "application/json",
                    body});
  routes.push_back({post,
                    "/api/v1/experiments/{id}:rerun",
                    rerun,
                    "Submit again, with changes",
                    {},
                    capnp::Schema::from<wire::RerunRequest>(),
                    submitted,
                    "application/json",
                    body});
}

}  // namespace troupe::api
