// How the director admits what is submitted: check, fit, ids, one durable step, answers.
#include "actors/head/commit.hpp"
#include "actors/head/datasets.hpp"
#include "actors/head/director.hpp"
#include "actors/head/orders.hpp"
#include "hpo/expression.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/submission_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace troupe::actors {

namespace {

uint64_t random_seed() {
  auto bytes = random_bytes(8);
  uint64_t seed = 0;
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed >> 11;  // 53 bits: exact wherever numbers are doubles, as in JSON
}

std::string shape_of(const schedule::Request& request) {
  auto shape = fmt::format("{} {} {} {} {} {} {}", request.amount.milli_cpus, request.amount.mem,
                           request.amount.gpus, request.amount.gpu_share, request.gpu_type,
                           request.gpu_mem, request.workers_min);
  for (const auto& [name, value] : request.labels) shape += fmt::format(" {}={}", name, value);
  for (const auto& group : request.groups)
    shape += fmt::format("; {} {}", group.role, shape_of(request.part(group)));
  return shape;
}

/// A point of the earlier set that lacks a parameter of this one says nothing to its search.
Result<void> check_shared(const SetRecord& earlier, const Submission& submission) {
  const auto& known = earlier.spec->parameters;
  if (!earlier.sweep.points.empty()) return ok();
  for (const auto& wanted : submission.experiment.parameters)
    if (wanted.when.empty() && std::none_of(known.begin(), known.end(), [&](const Parameter& one) {
          return one.name == wanted.name;
        }))
      return Error{
          Errc::invalid, "sweep.from",
          fmt::format("set {} has no parameter {}: none of its points is one of this space",
                      to_string(earlier.id), wanted.name),
          "name a set with all parameters of this one, or leave from out"};
  return ok();
}

}  // namespace

struct DirectorState::Admission {
  SubmitRef batch;
  std::vector<Result<api::Submitted>> results;
  std::vector<bool> open;  // still to be admitted
  std::vector<storage::Mutation> mutations;
  std::vector<RecordRef> experiments;
  std::vector<SetRecord> sets;
  std::vector<std::string> keys;
  std::vector<size_t> repeats;  // answered with what another admission has on its way
  size_t checks = 0;
  SubmittedPromise promise;
};

DirectorState::SubmittedPromise DirectorState::submit(const SubmitRef& batch) {
  auto admission = std::make_shared<Admission>();
  admission->batch = batch;
  admission->promise = self_->make_response_promise<SubmittedRef>();
  for (auto& submission : batch->submissions) {
    std::optional<Error> error;
    if (draining_) {
      error = Error{Errc::unavailable, "nothing is accepted any more", "the head is stopping",
                    "try again later"};
    } else if (auto problem = check_submission(submission)) {
      error = Error{Errc::invalid, problem->message, problem->path, problem->hint};
    } else if (auto known = resolve_datasets(*context_->ledger, submission.experiment); !known) {
      error = known.error();
    }
    if (!error)
      for (auto id : submission.experiment.after)
        if (auto entry = context_->ledger->find(id); !entry || !*entry)
          error = Error{Errc::not_found, fmt::format("experiment {} not found", to_string(id)),
                        "`after` names it", "troupe ls -a"};
    if (auto& rule = submission.experiment.checkpoints; rule && !rule->metric && submission.sweep)
      rule->metric = submission.sweep->metric;
    if (!error && submission.sweep && !submission.sweep->stop_when.empty())
      if (auto parsed = hpo::Expression::parse(submission.sweep->stop_when); !parsed)
        error = parsed.error();
    admission->open.push_back(!error);
    if (error)
      admission->results.emplace_back(std::move(*error));
    else
      admission->results.emplace_back(api::Submitted{});
  }
  check_fit(admission);
  return admission->promise;
}

/// Asks the scheduler about each shape of resources it was not asked about since the nodes last
/// changed.
void DirectorState::check_fit(std::shared_ptr<Admission> admission) {
  const auto& submissions = admission->batch->submissions;
  admission->checks = 1;
  auto done = [this, admission] {
    if (--admission->checks == 0) admit(admission);
  };
  for (size_t i = 0; i < submissions.size(); ++i) {
    if (!admission->open[i]) continue;
    if (submissions[i].sweep && submissions[i].sweep->ask) continue;  // nothing of it runs here
    ExperimentRecord probe;
    probe.spec = std::make_shared<const ExperimentSpec>(submissions[i].experiment);
    auto request = request_of(probe);
    auto shape = shape_of(request);
    if (shapes_that_fit_.contains(shape)) continue;
    ++admission->checks;
    self_
        ->request(peers_.scheduler, limits::request_timeout, check_atom_v,
                  share(std::move(request)))
        .then(
            [this, shape, done](bool) {
              // The set only saves questions; clearing it bounds its memory.
              if (shapes_that_fit_.size() > 1000) shapes_that_fit_.clear();
              shapes_that_fit_.insert(shape);
              done();
            },
            [admission, i, done](caf::error& e) {
              admission->open[i] = false;
              admission->results[i] = from_caf(e, "a submission");
              done();
            });
  }
  done();
}

void DirectorState::admit(const std::shared_ptr<Admission>& admission) {
  for (size_t i = 0; i < admission->batch->submissions.size(); ++i)
    if (admission->open[i]) admit_one(*admission, i);
  // Also with nothing to write: an answer that repeats a key must wait until the first use of the
  // key is durable.
  request_commit(
      self_, peers_.ledger, commit_atom_v, mutations_ref(std::move(admission->mutations)),
      [this, admission](uint64_t) { admitted(admission); },
      [this, admission](caf::error& e) {
        for (const auto& key : admission->keys) keys_on_the_way_.erase(key);
        for (size_t i = 0; i < admission->results.size(); ++i)
          if (admission->open[i]) admission->results[i] = from_caf(e, "a submission");
        admission->promise.deliver(share(std::move(admission->results)));
      });
}

/// What the set will be, if it can be.
Result<hpo::SearchPlan> DirectorState::plan(const Submission& submission) const {
  auto plan = hpo::plan_search(submission.experiment.parameters, *submission.sweep);
  if (!plan || !submission.sweep->from) return plan;
  auto earlier = context_->ledger->set(*submission.sweep->from);
  if (!earlier) return std::move(earlier).error();
  if (!*earlier)
    return Error{Errc::not_found, fmt::format("set {} not found", *submission.sweep->from),
                 "sweep.from names it", "troupe ls -a"};
  TROUPE_TRY(check_shared(**earlier, submission));
  return plan;
}

void DirectorState::admit_one(Admission& admission, size_t index) {
  auto& submission = admission.batch->submissions[index];
  const auto& user = admission.batch->user;
  auto flight_key = user + '\0' + submission.key;
  if (!submission.key.empty()) {
    auto known = context_->ledger->idempotent(user, submission.key);
    if (known && *known) {
      admission.results[index] =
          api::Submitted{(**known).id, (**known).is_set, (**known).size, true};
      return;
    }
    if (auto it = keys_on_the_way_.find(flight_key); it != keys_on_the_way_.end()) {
      admission.results[index] = it->second;
      admission.repeats.push_back(index);
      return;
    }
  }
  auto now = context_->clock->now();
  ExperimentId id{next_top_, 0};
  uint64_t size = 1;
  hpo::StrategyChoice picked;
  if (submission.sweep) {
    if (!submission.sweep->seed)
      submission.sweep->seed =
          submission.experiment.seed ? submission.experiment.seed : random_seed();
    auto planned = plan(submission);
    if (!planned) {
      admission.results[index] = std::move(planned).error();
      return;
    }
    size = planned->members;
    picked = std::move(planned->picked);
  }
  ++next_top_;
  auto spec = std::make_shared<const ExperimentSpec>(submission.experiment);
  std::string rerun_of =
      index < admission.batch->rerun_of.size() ? admission.batch->rerun_of[index] : "";
  if (submission.sweep) {
    SetRecord set;
    set.id = id;
    set.user = user;
    set.spec = spec;
    set.sweep = *submission.sweep;
    set.state = State::queued;
    set.reason = "submitted";
    set.created = now;
    set.size = size;
    set.picked = std::move(picked.strategy);
    set.picked_reason = std::move(picked.reason);
    set.rerun_of = std::move(rerun_of);
    admission.mutations.push_back(storage::PutSet{std::make_shared<const SetRecord>(set), true});
    admission.sets.push_back(std::move(set));
  } else {
    ExperimentRecord record;
    record.id = id;
    record.user = user;
    record.spec = spec;
    for (const auto& parameter : spec->parameters)
      if (parameter.is_constant()) record.params.emplace(parameter.name, parameter.choices.front());
    record.state = State::queued;
    record.reason = "submitted";
    record.created = record.queued = now;
    record.rerun_of = std::move(rerun_of);
    RecordRef shared{std::make_shared<const ExperimentRecord>(std::move(record))};
    admission.mutations.push_back(storage::PutExperiment{shared.value, true});
    admission.experiments.push_back(shared);
  }
  admission.mutations.push_back(
      storage::AppendEvent{state_event(id, spec->project, "", State::queued, "submitted", now)});
  if (!submission.key.empty()) {
    admission.mutations.push_back(
        storage::PutKey{user, submission.key, id, submission.sweep.has_value(), size});
    keys_on_the_way_.insert_or_assign(flight_key,
                                      api::Submitted{id, submission.sweep.has_value(), size, true});
    admission.keys.push_back(flight_key);
  }
  admission.results[index] = api::Submitted{id, submission.sweep.has_value(), size, false};
}

void DirectorState::admitted(const std::shared_ptr<Admission>& admission) {
  for (const auto& key : admission->keys) keys_on_the_way_.erase(key);
  for (auto index : admission->repeats) {
    auto known = context_->ledger->idempotent(admission->batch->user,
                                              admission->batch->submissions[index].key);
    if (!known || !*known)
      admission->results[index] = Error{Errc::unavailable, "the submission was not recorded",
                                        "the first one with its key failed meanwhile", "try again"};
  }
  for (const auto& record : admission->experiments) queue(*record);
  for (auto& set : admission->sets) spawn_set(std::move(set), true);
  admission->promise.deliver(share(std::move(admission->results)));
}

}  // namespace troupe::actors
