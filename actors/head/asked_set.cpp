#include "actors/head/asked_set.hpp"

#include "actors/head/commit.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A full disk may be emptied at any time.
constexpr auto write_again_after = std::chrono::seconds{1};
// What suggests for longer than a commit takes lets those wait who only tell.
constexpr auto serve_at_once = std::chrono::milliseconds{10};

}  // namespace

asked_set_actor::behavior_type AskedSetState::make_behavior(HeadContextRef context,
                                                            ExperimentSetPeers peers,
                                                            SetRecord record, bool fresh) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  return {
      [this, record = std::move(record), fresh](begin_atom) {
        auto desk = TrialDesk::make(context_, record, fresh);
        if (desk)
          desk_ = std::move(*desk);
        else
          broken_ = std::move(desk).error();
        if (broken_) log::error("set", "{}: {}", to_string(record.id), to_string(*broken_));
        serve();
      },
      [](ended_atom, const RecordRef&) {},  // of members that are run here: there are none
      [](placed_atom, ExperimentId) {},
      [](metrics_atom, const RecordRef&) {},
      [](report_atom, const MemberReportsRef&) {},
      [](pause_atom, ExperimentId) {},
      [this](change_atom, const std::string& user, const SetChangeRef& wanted) {
        return change(user, wanted);
      },
      [](tick_atom, uint64_t) {},
      [this](flush_atom) {
        serve_sent_ = false;
        serve();
      },
      [this](kill_atom, const std::string& cause) { return kill(cause); },
      [this](ask_atom, const TrialCallsRef& calls) { return take(calls); },
  };
}

auto AskedSetState::take(const TrialCallsRef& calls) -> Promise {
  auto promise = self_->make_response_promise<TrialAnswersRef>();
  waiting_.push_back({calls, promise});
  // Calls that lie behind this one in the mailbox are in the same commit.
  if (!committing_ && !std::exchange(serve_sent_, true)) self_->send(self_, flush_atom_v);
  return promise;
}

TrialAnswers AskedSetState::answers_to(const TrialCalls& calls) {
  TrialAnswers answers;
  for (const auto& call : calls.calls) {
    if (const auto* ask = std::get_if<api::AskRequest>(&call.request))
      answers.emplace_back(desk_->ask(call.user, *ask));
    else
      answers.emplace_back(
          desk_->tell(call.cause.empty() ? fmt::format("told by {}", call.user) : call.cause,
                      std::get<api::TellRequest>(call.request)));
  }
  return answers;
}

void AskedSetState::serve() {
  if (broken_)
    for (auto& [calls, promise] : std::exchange(waiting_, {})) promise.deliver(to_caf(*broken_));
  if (broken_)
    for (auto& wish : std::exchange(wishes_, {})) wish.promise.deliver(to_caf(*broken_));
  if (committing_ || !desk_) return;
  apply_changes();
  std::vector<Answered> answered;
  auto until = context_->clock->monotonic() + serve_at_once;
  while (!waiting_.empty() && (answered.empty() || context_->clock->monotonic() < until)) {
    auto [calls, promise] = std::move(waiting_.front());
    waiting_.pop_front();
    answered.push_back({share(answers_to(*calls)), promise});
  }
  commit(std::move(answered));
}

void AskedSetState::commit(std::vector<Answered> answered) {
  auto done = std::exchange(done_, {});
  auto mutations = desk_->take();
  if (mutations.empty()) return written(answered, done);
  committing_ = true;
  auto changes = mutations_ref(std::move(mutations));
  request_commit(
      self_, peers_.ledger, commit_atom_v, changes,
      [this, answered, done](uint64_t) mutable {
        committing_ = false;
        written(answered, done);
      },
      [this, changes, answered, done](caf::error& e) mutable {
        committing_ = false;
        desk_->failed(changes->list);
        for (auto& [answers, promise] : answered) promise.deliver(e);
        for (auto& promise : done) promise.deliver(e);
        log::error("set", "{}: not recorded yet: {}", to_string(desk_->record().id),
                   to_string(from_caf(e, "a set")));
        self_->delayed_send(self_, write_again_after, flush_atom_v);
      });
}

void AskedSetState::written(std::vector<Answered>& answered, std::vector<Done>& done) {
  desk_->written();
  for (auto& [answers, promise] : answered) promise.deliver(answers);
  for (auto& promise : done) promise.deliver(true);
  // What came meanwhile. Of an ended set, too: it must be on the disk before the desk is gone.
  if (!waiting_.empty() || !wishes_.empty() || desk_->has_changes()) return serve();
  if (!is_terminal(desk_->record().state)) return;
  self_->send(peers_.director, set_ended_atom_v, desk_->record().id.top);
  self_->quit();
}

caf::typed_response_promise<bool> AskedSetState::change(const std::string& user,
                                                        const SetChangeRef& wanted) {
  auto promise = self_->make_response_promise<bool>();
  wishes_.push_back({user, wanted, promise});
  serve();
  return promise;
}

/// While nothing is on its way to the ledger: what it is compared with is there.
void AskedSetState::apply_changes() {
  for (auto& [user, wanted, promise] : std::exchange(wishes_, {}))
    if (auto changed = desk_->change(user, *wanted))
      done_.push_back(promise);
    else
      promise.deliver(to_caf(changed.error()));
}

caf::typed_response_promise<bool> AskedSetState::kill(const std::string& cause) {
  auto promise = self_->make_response_promise<bool>();
  if (!desk_ || is_terminal(desk_->record().state)) {
    promise.deliver(true);
    return promise;
  }
  done_.push_back(promise);
  desk_->kill(cause);
  if (!committing_) serve();
  return promise;
}

asked_set_actor::behavior_type asked_set_behavior(
    asked_set_actor::stateful_pointer<AskedSetState> self, HeadContextRef context,
    ExperimentSetPeers peers, SetRecord record, bool fresh) {
  return self->state.make_behavior(std::move(context), std::move(peers), std::move(record), fresh);
}

}  // namespace troupe::actors
