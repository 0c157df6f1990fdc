#include "actors/head/experiment_set.hpp"

#include "actors/head/commit.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

// Without a limit of its own a set keeps so many members made: more than any scheduler pass starts,
// and few enough that killing the set is one short commit.
constexpr size_t live_without_limit = 1024;
constexpr size_t made_at_once = 256;
constexpr auto save_again_after = std::chrono::seconds{1};

}  // namespace

experiment_set_actor::behavior_type ExperimentSetState::make_behavior(HeadContextRef context,
                                                                      ExperimentSetPeers peers,
                                                                      SetRecord record,
                                                                      bool fresh) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  record_ = std::move(record);
  return {
      [this, fresh](begin_atom) { prepare(fresh); },
      [this](ended_atom, const RecordRef& member) { member_ended(*member); },
      [this](placed_atom) {
        if (record_.state != State::queued) return;
        record_.started = context_->clock->now();
        become(State::running, "its first member was placed");
      },
      [this](metrics_atom, const RecordRef& member) {
        if (!study_ || !live_.contains(member->id.member)) return;
        follow(study_->report(member->id.member, member->state, member->metrics));
      },
      [this](flush_atom) {
        fill();
        if (dirty_ || !unsaved_.empty()) save();
        finish_if_done();
      },
      [this](kill_atom, const std::string& cause) { return kill(cause); },
  };
}

void ExperimentSetState::prepare(bool fresh) {
  auto sampler = hpo::make_sampler(record_.spec->parameters, record_.sweep);
  if (!sampler) return fail(std::move(sampler).error());
  sampler_ = std::move(*sampler);
  // What the members' last values cannot tell any more; their ends are counted anew by resume().
  hpo::StudyState known;
  known.size = record_.size;
  known.best_member = record_.best_member;
  known.best_value = record_.best_value;
  known.stop_reason = record_.stop_reason;
  known.failures_passed = record_.failures_passed;
  auto study = hpo::Study::restore(record_.sweep, std::move(known));
  if (!study) return fail(std::move(study).error());
  study_ = std::move(*study);
  if (!fresh) resume();
  fill();
  finish_if_done();
}

/// After a restart of the head. The ends of members and their count in the set's record are two
/// commits, so what the members say wins. The best value and the reason to stop may come from
/// values that are no member's last: they are the record's to say.
void ExperimentSetState::resume() {
  killed_ = record_.state == State::killing;
  uint32_t from = 1;
  while (from < record_.next) {
    auto members = context_->ledger->members(record_.id.top, from, 1000);
    if (!members || members->empty()) break;
    for (const auto& member : *members) {
      if (is_terminal(member.state))
        study_->report(member.id.member, member.state, member.metrics);
      else
        live_.insert(member.id.member);
      from = member.id.member + 1;
    }
  }
  copy_study();
  auto decision = study_->decision();
  stopping_ = killed_ || decision.stop;
  if (killed_) kill_members(record_.reason);
  if (decision.stop && decision.kill) kill_members(decision.reason);
}

ExperimentRecord ExperimentSetState::member_record(uint32_t number,
                                                   std::map<std::string, Value> params,
                                                   Timestamp now) const {
  ExperimentRecord member;
  member.id = {record_.id.top, number};
  member.user = record_.user;
  member.spec = record_.spec;
  member.params = std::move(params);
  member.state = State::queued;
  member.reason = "member of a set";
  member.created = member.queued = now;
  return member;
}

void ExperimentSetState::fill() {
  if (making_ || stopping_ || !sampler_) return;
  size_t limit = record_.sweep.concurrency ? *record_.sweep.concurrency : live_without_limit;
  std::vector<RecordRef> members;
  std::vector<storage::Mutation> mutations;
  auto next = record_.next;
  while (next <= record_.size && live_.size() + members.size() < limit &&
         members.size() < made_at_once) {
    auto point = sampler_->suggest(next);
    if (!point) return fail(std::move(point).error());
    auto now = context_->clock->now();
    RecordRef member{std::make_shared<const ExperimentRecord>(
        member_record(static_cast<uint32_t>(next), std::move(*point), now))};
    mutations.push_back(storage::PutExperiment{member.value, true});
    mutations.push_back(storage::AppendEvent{
        state_event(member->id, record_.spec->project, "", State::queued, "made by its set", now)});
    members.push_back(std::move(member));
    ++next;
  }
  if (members.empty()) return;
  // The record says which members exist, in the same transaction that makes them.
  record_.next = next;
  mutations.push_back(storage::PutSet{std::make_shared<const SetRecord>(record_), false});
  making_ = true;
  auto first = members.front()->id.member;
  request_commit(
      self_, peers_.ledger, commit_atom_v, mutations_ref(std::move(mutations)),
      [this, members = std::move(members)](uint64_t) mutable { made(std::move(members)); },
      [this, first](caf::error& e) {
        log::error("set", "{}: members not made yet: {}", to_string(record_.id),
                   to_string(from_caf(e, "making members")));
        making_ = false;
        record_.next = first;
        dirty_ = true;
        self_->delayed_send(self_, save_again_after, flush_atom_v);
      });
}

void ExperimentSetState::made(std::vector<RecordRef> members) {
  making_ = false;
  if (dirty_ || !unsaved_.empty()) save();
  for (const auto& member : members) {
    live_.insert(member->id.member);
    self_->send(peers_.director, member_atom_v, member);
  }
  if (stopping_) {
    for (const auto& member : members)
      caf::anon_send(peers_.director, kill_atom_v, record_.reason, member->id);
    return;
  }
  fill();
}

void ExperimentSetState::member_ended(const ExperimentRecord& member) {
  if (live_.erase(member.id.member) == 0 || !study_) return;
  auto decision = study_->report(member.id.member, member.state, member.metrics);
  copy_study();
  dirty_ = true;
  follow(decision);
  fill();
  finish_if_done();
  if (dirty_) save();
}

void ExperimentSetState::follow(const hpo::Decision& decision) {
  if (decision.new_best) {
    copy_study();
    dirty_ = true;
    save();
  }
  if (!decision.stop || stopping_) return;
  stopping_ = true;
  copy_study();
  record_.reason = decision.reason;
  dirty_ = true;
  if (decision.kill) kill_members(decision.reason);
  save();
}

void ExperimentSetState::copy_study() {
  const auto& state = study_->state();
  record_.finished = state.finished;
  record_.failed = state.failed;
  record_.killed = state.killed;
  record_.stop_reason = state.stop_reason;
  record_.failures_passed = state.failures_passed;
  record_.stop_reason = state.stop_reason;
  record_.failures_passed = state.failures_passed;
  record_.best_value = state.best_value;
  if (record_.best_member != state.best_member && state.best_member && sampler_)
    if (auto point = sampler_->suggest(*state.best_member)) record_.best_params = std::move(*point);
  record_.best_member = state.best_member;
}

void ExperimentSetState::kill_members(const std::string& cause) {
  for (auto member : live_)
    caf::anon_send(peers_.director, kill_atom_v, cause, ExperimentId{record_.id.top, member});
}

caf::typed_response_promise<bool> ExperimentSetState::kill(const std::string& cause) {
  auto promise = self_->make_response_promise<bool>();
  if (is_terminal(record_.state) || killed_) {
    promise.deliver(true);
    return promise;
  }
  killed_ = stopping_ = true;
  kill_promises_.push_back(promise);
  become(State::killing, cause);
  kill_members(cause);
  finish_if_done();
  return promise;
}

void ExperimentSetState::become(State to, const std::string& cause, const Error* error) {
  if (is_terminal(record_.state) || record_.state == to) return;
  auto now = context_->clock->now();
  unsaved_.push_back(state_event(record_.id, record_.spec->project, to_string(record_.state), to,
                                 cause, now, error));
  record_.state = to;
  record_.reason = cause;
  if (error != nullptr) record_.error = *error;
  if (is_terminal(to)) record_.ended = now;
  dirty_ = true;
  save();
}

void ExperimentSetState::finish_if_done() {
  if (!live_.empty() || making_ || is_terminal(record_.state) || !study_) return;
  if (!stopping_ && record_.next <= record_.size) return;
  // What is being killed ends as killed, also where it had failed before.
  auto state = killed_ ? State::killed : study_->final_state(false);
  auto cause = study_->summary();
  if (auto decision = study_->decision(); decision.stop && !killed_)
    cause += "; " + decision.reason;
  if (killed_) cause = record_.reason;
  if (state != State::failed) return become(state, cause);
  Error error{Errc::failed, fmt::format("set {} failed", to_string(record_.id)), cause,
              fmt::format("troupe show {}", to_string(record_.id))};
  become(state, cause, &error);
}

/// The set cannot go on at all.
void ExperimentSetState::fail(Error error) {
  stopping_ = true;
  auto cause = error.what;
  kill_members(cause);
  become(State::failed, cause, &error);
}

void ExperimentSetState::save() {
  if (saving_ || making_) return;  // made() or saved() comes back to it
  saving_ = true;
  dirty_ = false;
  std::vector<storage::Mutation> mutations{
      storage::PutSet{std::make_shared<const SetRecord>(record_), false}};
  for (const auto& event : unsaved_) mutations.push_back(storage::AppendEvent{event});
  auto count = static_cast<std::ptrdiff_t>(unsaved_.size());
  request_commit(
      self_, peers_.ledger, later_atom_v, mutations_ref(std::move(mutations)),
      [this, count](uint64_t) {
        saving_ = false;
        unsaved_.erase(unsaved_.begin(), unsaved_.begin() + count);
        saved();
      },
      [this](caf::error& e) {
        saving_ = false;
        dirty_ = true;
        log::error("set", "{}: not recorded yet: {}", to_string(record_.id),
                   to_string(from_caf(e, "a set")));
        self_->delayed_send(self_, save_again_after, flush_atom_v);
      });
}

void ExperimentSetState::saved() {
  if (dirty_ || !unsaved_.empty()) return save();
  if (record_.state == State::killing || is_terminal(record_.state))
    for (auto& promise : std::exchange(kill_promises_, {})) promise.deliver(true);
  if (!is_terminal(record_.state)) return;
  self_->send(peers_.director, set_ended_atom_v, record_.id.top);
  self_->quit();
}

experiment_set_actor::behavior_type experiment_set_behavior(
    experiment_set_actor::stateful_pointer<ExperimentSetState> self, HeadContextRef context,
    ExperimentSetPeers peers, SetRecord record, bool fresh) {
  return self->state.make_behavior(std::move(context), std::move(peers), std::move(record), fresh);
}

}  // namespace troupe::actors
