// What is QUEUED but not in the scheduler's queue yet: experiments that wait for predecessors, for
// outputs that are still to be fetched, or that have waited longer than they may.
#include "actors/head/datasets.hpp"
#include "actors/head/director.hpp"
#include "actors/head/orders.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// Nodes come back within seconds, or not soon.
constexpr auto outputs_again_after = std::chrono::seconds{5};
// What asks the nodes has limits of its own, which are far shorter.
constexpr std::chrono::seconds outputs_timeout = std::chrono::hours{24};  // CAF knows no hours

}  // namespace

/// A durable QUEUED record goes to the scheduler, unless it has to wait for others first.
void DirectorState::queue(const ExperimentRecord& record) {
  if (auto killed = kill_again_.extract(record.id); !killed.empty())
    return end_queued(record, State::killed, killed.mapped(), nullptr, {});
  arm_pending_limit(record);
  if (hold_for_predecessors(record) || hold_for_outputs(record)) return;
  auto request = request_of(record);
  for (auto& need : request.data) need.bytes = dataset_bytes(*context_->ledger, need.source);
  self_->send(peers_.scheduler, queue_atom_v, share(std::move(request)));
}

bool DirectorState::hold_for_predecessors(const ExperimentRecord& record) {
  std::set<ExperimentId> open;
  for (auto id : record.spec->after) {
    auto entry = context_->ledger->find(id);
    if (!entry || !*entry) continue;  // checked at submit
    auto state = std::visit([](const auto& r) { return r.state; }, **entry);
    if (state == State::finished) continue;
    if (is_terminal(state)) {
      auto cause = fmt::format("{} ended {}", to_string(id), to_string(state));
      Error error{Errc::failed, fmt::format("experiment {} was skipped", to_string(record.id)),
                  cause, fmt::format("troupe show {}", to_string(id))};
      end_queued(record, State::skipped, cause, &error, {});
      return true;
    }
    open.insert(id);
  }
  if (open.empty()) return false;
  for (auto id : open) held_for_[id].push_back(record.id);
  holds_.insert_or_assign(record.id, std::move(open));
  return true;
}

void DirectorState::predecessor_ended(ExperimentId id) {
  auto it = held_for_.find(id);
  if (it == held_for_.end()) return;
  auto waiting = std::move(it->second);
  held_for_.erase(it);
  for (auto successor : waiting) {
    auto hold = holds_.find(successor);
    if (hold == holds_.end()) continue;
    holds_.erase(hold);
    auto record = context_->ledger->experiment(successor);
    if (record && *record && (**record).state == State::queued) queue(**record);
  }
}

/// Outputs that it mounts become a version of their own when the first one needs them: until then
/// they lie where they were written.
bool DirectorState::hold_for_outputs(const ExperimentRecord& record) {
  for (const auto& mount : record.spec->data) {
    auto of = outputs_behind(mount);
    if (!of) continue;
    auto known = context_->ledger->dataset(mount.source, "");
    if (known && *known) continue;
    outputs_awaited_.insert_or_assign(
        record.id, fmt::format("the outputs of {} are being fetched", to_string(*of)));
    RecordRef waiting{std::make_shared<const ExperimentRecord>(record)};
    self_->request(peers_.datasets, outputs_timeout, find_atom_v, *of)
        .then([this, id = record.id](const DatasetVersionRef&) { outputs_awaited(id); },
              [this, waiting](caf::error& e) {
                outputs_refused(waiting, from_caf(e, "fetching outputs"));
              });
    return true;
  }
  return false;
}

void DirectorState::outputs_awaited(ExperimentId id) {
  if (outputs_awaited_.erase(id) == 0) return;  // killed meanwhile
  auto now = context_->ledger->experiment(id);
  if (now && *now && (**now).state == State::queued) queue(**now);
}

/// A node that is away may come back; what else is wrong stays so.
void DirectorState::outputs_refused(const RecordRef& record, const Error& error) {
  auto awaited = outputs_awaited_.find(record->id);
  if (awaited == outputs_awaited_.end()) return;
  if (error.code == Errc::unavailable || error.code == Errc::timed_out) {
    awaited->second = fmt::format("{}: {}", error.what, error.detail);
    self_->delayed_send(self_, outputs_again_after, find_atom_v, record->id);
    return;
  }
  outputs_awaited_.erase(awaited);
  end_queued(*record, State::failed, error.what, &error, {});
}

void DirectorState::arm_pending_limit(const ExperimentRecord& record) {
  auto limit = record.spec->limits.pending;
  if (limit.count() == 0) return;
  auto waited = std::chrono::microseconds{context_->clock->now().us - record.queued.us};
  auto rest = std::chrono::duration_cast<std::chrono::microseconds>(limit) - waited;
  self_->delayed_send(self_, std::max(rest, std::chrono::microseconds{0}), pending_atom_v,
                      record.id, record.queued.us);
}

void DirectorState::pending_limit(ExperimentId id, int64_t queued_us) {
  if (running_.contains(id)) return;
  auto record = context_->ledger->experiment(id);
  if (!record || !*record || (**record).state != State::queued || (**record).queued.us != queued_us)
    return;
  self_->request(peers_.scheduler, limits::request_timeout, unqueue_atom_v, id)
      .then(
          [this, record = std::move(**record)](bool waited) {
            bool held = holds_.erase(record.id) + outputs_awaited_.erase(record.id) != 0;
            if (!waited && !held) return;  // placed at the last moment
            auto cause = fmt::format("the pending limit of {} was reached",
                                     duration_text(record.spec->limits.pending));
            Error error{Errc::timed_out,
                        fmt::format("experiment {} waited too long", to_string(record.id)), cause,
                        fmt::format("troupe why {}; raise limits.pending", to_string(record.id))};
            end_queued(record, State::failed, cause, &error, {});
          },
          [](caf::error&) {});
}

}  // namespace troupe::actors
