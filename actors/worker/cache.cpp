#include "actors/worker/cache.hpp"

#include "actors/worker/cache_files.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

/// Brings one version, says so, and ends. `held` is what must not be removed for it.
caf::behavior bringer_behavior(caf::event_based_actor* self, WorkerContextRef context,
                               cache_actor cache, std::string digest, std::set<std::string> held) {
  return {[=](begin_atom) {
    auto id = dataset::content_id_from(digest);
    auto room = [&] { return remove_oldest(context->paths, held); };
    auto done = id ? bring_version(context->paths, *context->data, *id, context->mount_method, room)
                   : Result<void>{Error{Errc::invalid, "this is no dataset version", digest,
                                        "submit again"}};
    self->send(cache, filled_atom_v, share(Filled{digest, std::move(done)}));
    self->quit();
  }};
}

}  // namespace

cache_actor::behavior_type cache_behavior(cache_actor::stateful_pointer<CacheState> self,
                                          WorkerContextRef context) {
  return self->state.make_behavior(std::move(context));
}

cache_actor::behavior_type CacheState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  return {
      [this](hold_atom, const JobKey& key, const OrderRef& order) { return hold(key, *order); },
      [this](release_atom, const JobKey& key) { release(key); },
      [this](filled_atom, const FilledRef& one) { filled(*one); },
  };
}

/// What jobs that go on still read stays mounted; a worker that comes back finds it.
CacheState::~CacheState() {
  if (!context_) return;
  std::set<std::string> in_use;
  for (const auto& [digest, count] : holders_) in_use.insert(digest);
  unmount_trees(context_->paths, in_use);
}

CacheState::HoldPromise CacheState::hold(const JobKey& key, const JobOrder& order) {
  auto promise = self_->make_response_promise<bool>();
  auto& digests = held_[key];
  Waiting wait{key, {}, promise};
  for (const auto& data : order.data) {
    if (digests.insert(data.digest).second) ++holders_[data.digest];
    if (ready_.contains(data.digest)) continue;
    wait.lacking.insert(data.digest);
    bring(data.digest);
  }
  if (wait.lacking.empty())
    promise.deliver(true);
  else
    waiting_.push_back(std::move(wait));
  return promise;
}

void CacheState::bring(const std::string& digest) {
  if (!coming_.insert(digest).second) return;
  std::set<std::string> held = coming_;
  for (const auto& [one, count] : holders_) held.insert(one);
  cache_actor me{self_};
  auto bringer = context_->detach_blocking
                     ? self_->spawn<caf::detached>(bringer_behavior, context_, me, digest, held)
                     : self_->spawn(bringer_behavior, context_, me, digest, held);
  caf::anon_send(bringer, begin_atom_v);
}

void CacheState::filled(const Filled& filled) {
  coming_.erase(filled.digest);
  if (filled.done && holders_.contains(filled.digest)) ready_.insert(filled.digest);
  auto concerned = std::stable_partition(
      waiting_.begin(), waiting_.end(),
      [&](const Waiting& wait) { return !wait.lacking.contains(filled.digest); });
  std::vector<Waiting> waits{std::make_move_iterator(concerned),
                             std::make_move_iterator(waiting_.end())};
  waiting_.erase(concerned, waiting_.end());
  for (auto& wait : waits) {
    wait.lacking.erase(filled.digest);
    if (!filled.done)
      wait.promise.deliver(to_caf(filled.done.error()));
    else if (wait.lacking.empty())
      wait.promise.deliver(true);
    else
      waiting_.push_back(std::move(wait));
  }
}

void CacheState::release(const JobKey& key) {
  std::erase_if(waiting_, [&](const Waiting& wait) { return wait.key == key; });
  auto held = held_.extract(key);
  if (!held) return;
  for (const auto& digest : held.mapped()) {
    touch_version(context_->paths, digest);
    auto count = holders_.find(digest);
    if (--count->second != 0) continue;
    holders_.erase(count);
    ready_.erase(digest);  // it may be removed now: whoever wants it next looks
  }
}

}  // namespace troupe::actors
