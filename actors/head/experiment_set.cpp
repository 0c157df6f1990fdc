#include "actors/head/experiment_set.hpp"

#include "actors/head/commit.hpp"
#include "actors/head/held_time.hpp"
#include "actors/head/set_record.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// Without a limit of its own a set keeps so many members made: more than any scheduler pass starts,
// and few enough that killing the set is one short commit.
constexpr size_t live_without_limit = 1024;
constexpr size_t made_at_once = 256;
// A point of a strategy that learns takes up to some tenths of a second.
constexpr size_t learned_at_once = 4;

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
      [this](placed_atom, ExperimentId member) { placed(member); },
      [this](metrics_atom, const RecordRef& member) {
        if (!study_ || !live_.contains(member->id.member)) return;
        follow(study_->report(member->id.member, member->state, member->metrics));
      },
      [this](report_atom, const MemberReportsRef& reports) { reported(*reports); },
      [this](flush_atom) {
        apply_changes();
        fill();
        if (dirty_ || !unsaved_.empty() || (search_ && search_->has_news())) save();
        finish_if_done();
      },
      [this](kill_atom, const std::string& cause) { return kill(cause); },
      [this](pause_atom, ExperimentId member) { parked(member); },
      [this](change_atom, const std::string& user, const SetChangeRef& wanted) {
        return change(user, wanted);
      },
      [this](tick_atom, uint64_t look) {
        if (look == looks_) look_at_budget();
      },
  };
}

void ExperimentSetState::prepare(bool fresh) {
  auto search = SetSearch::make(record_);
  if (!search) return fail(std::move(search).error());
  search_ = std::move(*search);
  // What the members' last values cannot tell any more; their ends are counted anew by resume().
  auto study = study_of(record_);
  if (!study) return fail(std::move(study).error());
  study_ = std::move(*study);
  if (!fresh)
    if (auto resumed = resume(); !resumed) return fail(std::move(resumed).error());
  if (record_.sweep.from && search_->is_fresh())
    if (auto told = search_->learn_from(*context_->ledger, *record_.sweep.from); !told)
      return fail(std::move(told).error());
  fill();
  finish_if_done();
  look_at_budget();
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
  member.branched_from = search_->copied_from(number);
  if (auto skip = search_->skipped().find(number); skip != search_->skipped().end()) {
    member.state = State::skipped;
    member.reason = skip->second;
    member.ended = now;
  }
  return member;
}

/// How many more members may be made now.
size_t ExperimentSetState::room() const {
  size_t limit = record_.sweep.concurrency ? *record_.sweep.concurrency : live_without_limit;
  auto room = limit - std::min(limit, occupied());
  if (!search_->learns()) return std::min(room, made_at_once);
  // Beyond what they are sure of the limit is the cluster's: there is a place for as long as each
  // gets one.
  size_t sure = record_.sweep.concurrency_sure.value_or(record_.sweep.concurrency.value_or(0));
  if (occupied() >= sure) return unplaced_.empty() ? std::min<size_t>(room, 1) : 0;
  return std::min({room, sure - occupied(), learned_at_once});
}

void ExperimentSetState::fill() {
  if (making_ || stopping_ || !search_) return;
  apply_changes();
  // What it was told is written in order; who wants to change it comes first.
  if (saving_ && (search_->is_kept() || !wishes_.empty())) return;
  promote();
  std::vector<RecordRef> members;
  std::vector<storage::Mutation> mutations;
  auto next = record_.next;
  size_t skipped = 0;
  for (auto room = this->room();
       next <= record_.size && members.size() - skipped < room && members.size() < made_at_once;
       ++next) {
    auto point = search_->next(next);
    if (!point && point.error().code == Errc::exhausted) {
      record_.next = next;
      space_is_done(point.error());
      break;
    }
    if (!point) return fail(std::move(point).error());
    auto now = context_->clock->now();
    RecordRef member{std::make_shared<const ExperimentRecord>(
        member_record(static_cast<uint32_t>(next), std::move(*point), now))};
    bool skips = is_terminal(member->state);
    skipped += skips ? 1 : 0;
    mutations.push_back(storage::PutExperiment{member.value, true});
    mutations.push_back(
        storage::AppendEvent{state_event(member->id, record_.spec->project, "", member->state,
                                         skips ? member->reason : "made by its set", now)});
    members.push_back(std::move(member));
  }
  if (members.empty()) {
    if (search_->has_news()) save();
    return;
  }
  // The record says which members exist, in the same transaction that makes them; so does what
  // their points were made from.
  record_.next = next;
  auto news = add_news(mutations);
  mutations.push_back(storage::PutSet{std::make_shared<const SetRecord>(record_), false});
  making_ = true;
  dirty_ = false;
  auto first = members.front()->id.member;
  request_commit(
      self_, peers_.ledger, commit_atom_v, mutations_ref(std::move(mutations)),
      [this, members = std::move(members)](uint64_t) mutable { made(std::move(members)); },
      [this, first, news = std::move(news)](caf::error& e) mutable {
        not_made(first, std::move(news), e);
      });
}

/// The search asks for the same members again: it gives what was suggested the same points.
void ExperimentSetState::not_made(uint32_t first, std::optional<storage::PutSearch> news,
                                  const caf::error& error) {
  log::error("set", "{}: members not made yet: {}", to_string(record_.id),
             to_string(from_caf(error, "making members")));
  making_ = false;
  if (news) search_->put_back(std::move(*news));
  record_.next = first;
  dirty_ = true;
  self_->delayed_send(self_, save_again_after, flush_atom_v);
}

void ExperimentSetState::space_is_done(const Error& why) {
  record_.size = record_.next - 1;
  study_->no_more(record_.size, why.detail);
  dirty_ = true;
  self_->send(self_, flush_atom_v);  // nothing may be on its way that would end the set
}

void ExperimentSetState::placed(ExperimentId member) {
  unplaced_.erase(member.member);
  if (record_.state == State::queued) {
    record_.started = context_->clock->now();
    become(State::running, "its first member was placed");
  }
  if (search_ && search_->learns()) fill();
}

void ExperimentSetState::made(std::vector<RecordRef> members) {
  making_ = false;
  stop_members();
  if (dirty_ || !unsaved_.empty() || search_->has_news()) save();
  std::erase_if(members, [this](const RecordRef& member) {
    live_.insert(member->id.member);
    if (is_terminal(member->state)) self_->send(self_, ended_atom_v, member);
    return is_terminal(member->state);
  });
  for (const auto& member : members) {
    unplaced_.insert(member->id.member);
    self_->send(peers_.director, member_atom_v, member);
  }
  if (stopping_) {
    for (const auto& member : members)
      caf::anon_send(peers_.director, kill_atom_v, record_.reason, member->id);
    return;
  }
  // What has been told meanwhile comes first where it is learned from.
  if (search_->learns()) return self_->send(self_, flush_atom_v);
  fill();
}

void ExperimentSetState::member_ended(const ExperimentRecord& member) {
  if (live_.erase(member.id.member) == 0 || !study_) return;
  unplaced_.erase(member.id.member);
  parked_.erase(member.id.member);
  going_.erase(member.id.member);
  held_.add(member, member.ended);
  if (!member.stopped.empty() && member.state == State::finished) ++record_.stopped;
  search_->end(member);
  auto decision = study_->report(member.id.member, member.state, member.metrics);
  copy_study();
  dirty_ = true;
  follow(decision);
  fill();
  finish_if_done();
  if (dirty_) save();
}

void ExperimentSetState::reported(const MemberReports& reports) {
  if (!search_ || !live_.contains(reports.id.member)) return;
  // It runs again, from before it was stopped.
  if (search_->stopping().contains(reports.id.member) ||
      search_->paused().contains(reports.id.member))
    to_stop_.push_back(reports.id.member);
  for (const auto& [resource, value] : reports.reports)
    search_->report(reports.id.member, resource, value);
  if (search_->has_news()) save();
  if (!saving_ && !making_) stop_members();
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
  if (!actors::copy_study(*study_, search_->front(), record_)) return;
  if (auto point = search_->point(*record_.best_member)) record_.best_params = std::move(*point);
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
  unsaved_.push_back(change_state(record_, to, cause, context_->clock->now(), error));
  dirty_ = true;
  save();
}

void ExperimentSetState::finish_if_done() {
  if (making_ || is_terminal(record_.state) || !study_) return;
  if (!stopping_ && record_.next <= record_.size) return;
  if (end_waiting() || !live_.empty()) return;
  // What is being killed ends as killed, also where it had failed before.
  auto state = killed_ ? State::killed : study_->final_state(false);
  count_spent();
  auto cause = study_->summary();
  if (auto decision = study_->decision(); decision.stop && !killed_)
    cause += "; " + decision.reason;
  if (killed_) cause = record_.reason;
  if (state != State::failed) return become(state, cause);
  auto error = set_failed(record_, cause);
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
  auto news = add_news(mutations);
  for (const auto& event : unsaved_) mutations.push_back(storage::AppendEvent{event});
  auto count = static_cast<std::ptrdiff_t>(unsaved_.size());
  request_commit(
      self_, peers_.ledger, later_atom_v, mutations_ref(std::move(mutations)),
      [this, count](uint64_t) {
        saving_ = false;
        unsaved_.erase(unsaved_.begin(), unsaved_.begin() + count);
        saved();
      },
      [this, news = std::move(news)](caf::error& e) mutable {
        saving_ = false;
        dirty_ = true;
        if (news) search_->put_back(std::move(*news));
        log::error("set", "{}: not recorded yet: {}", to_string(record_.id),
                   to_string(from_caf(e, "a set")));
        self_->delayed_send(self_, save_again_after, flush_atom_v);
      });
}

/// What the search was told goes with whatever is written next; given back where that fails.
std::optional<storage::PutSearch> ExperimentSetState::add_news(
    std::vector<storage::Mutation>& mutations) {
  auto news = search_ ? search_->take() : std::nullopt;
  to_stop_.clear();
  if (!news) return news;
  using Kind = SearchEntry::Kind;
  for (const auto& entry : news->entries)
    if (entry.kind == Kind::stop || entry.kind == Kind::dismiss || entry.kind == Kind::pause ||
        entry.kind == Kind::promote)
      to_stop_.push_back(static_cast<uint32_t>(entry.trial));
  mutations.push_back(*news);
  return news;
}

void ExperimentSetState::saved() {
  if (search_) stop_members();
  for (auto& promise : std::exchange(wished_, {})) promise.deliver(true);
  apply_changes();
  if (saving_) return;
  if (dirty_ || !unsaved_.empty() || (search_ && search_->has_news())) return save();
  fill();
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
