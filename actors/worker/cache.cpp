#include "actors/worker/cache.hpp"

#include "actors/worker/cache_files.hpp"
#include "actors/worker/job_mounts.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

/// Brings one version, says so, and ends. `held` is what must not be removed for it.
caf::behavior bringer_behavior(caf::event_based_actor* self, WorkerContextRef context,
                               cache_actor cache, DataWish wish, std::set<std::string> held) {
  return {[=](begin_atom) {
    auto id = dataset::content_id_from(wish.digest);
    auto room = [&] { return remove_oldest(context->paths, held); };
    auto bring = [&]() -> Result<DataTree> {
      if (!id)
        return Error{Errc::invalid, "this is no dataset version", wish.digest, "submit again"};
      if (!context->mounts.denied) TROUPE_TRY(open_trees(context->paths));
      return bring_version(context->paths, *context->data, *id, wish.method, room);
    };
    auto done = bring();
    self->send(cache, filled_atom_v, share(Filled{wish, std::move(done)}));
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

/// Jobs that go on have mounts of their own; where they have not, what they still read stays
/// mounted, and a worker that comes back finds it.
CacheState::~CacheState() {
  if (!context_) return;
  std::set<std::string> in_use;
  for (const auto& [digest, count] : holders_) in_use.insert(digest);
  if (context_->mounts.denied)
    unmount_trees(context_->paths, in_use);
  else
    close_trees(context_->paths);
}

CacheState::HoldPromise CacheState::hold(const JobKey& key, const JobOrder& order) {
  Waiting wait{key, {}, self_->make_response_promise<HeldDataRef>()};
  auto promise = wait.promise;
  auto method = context_->mount_method;
  if (!order.mount_method.empty()) method = mount_method_from(order.mount_method);
  auto& digests = held_[key];
  for (const auto& data : order.data) {
    if (digests.insert(data.digest).second) ++holders_[data.digest];
    wait.wishes.push_back({data.digest, method});
  }
  if (answer(wait)) return promise;
  for (const auto& wish : wait.wishes)
    if (!ready_.contains(wish)) bring(wish);
  waiting_.push_back(std::move(wait));
  return promise;
}

/// True: all of it was there.
bool CacheState::answer(Waiting& wait) {
  HeldData held;
  for (const auto& wish : wait.wishes) {
    auto tree = ready_.find(wish);
    if (tree == ready_.end()) return false;
    if (!is_shown(tree->second)) {
      ready_.erase(tree);
      return false;
    }
    held.trees.push_back(tree->second);
  }
  wait.promise.deliver(share(std::move(held)));
  return true;
}

void CacheState::bring(const DataWish& wish) {
  if (!coming_.insert(wish.digest).second) return;
  std::set<std::string> held = coming_;
  for (const auto& [one, count] : holders_) held.insert(one);
  cache_actor me{self_};
  auto bringer = context_->detach_blocking
                     ? self_->spawn<caf::detached>(bringer_behavior, context_, me, wish, held)
                     : self_->spawn(bringer_behavior, context_, me, wish, held);
  caf::anon_send(bringer, begin_atom_v);
}

void CacheState::filled(const Filled& filled) {
  const auto& wish = filled.wish;
  coming_.erase(wish.digest);
  if (filled.done && holders_.contains(wish.digest)) ready_.insert_or_assign(wish, *filled.done);
  auto wants = [&](const Waiting& wait, const DataWish& one) {
    return std::find(wait.wishes.begin(), wait.wishes.end(), one) != wait.wishes.end();
  };
  std::erase_if(waiting_, [&](Waiting& wait) {
    if (!wants(wait, wish)) return false;
    if (filled.done) return answer(wait);
    wait.promise.deliver(to_caf(filled.done.error()));
    return true;
  });
  // Others want to see the same version another way.
  for (const auto& wait : waiting_)
    for (const auto& other : wait.wishes)
      if (other.digest == wish.digest && !ready_.contains(other)) return bring(other);
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
    // It may be removed now: whoever wants it next looks.
    std::erase_if(ready_, [&](const auto& one) { return one.first.digest == digest; });
  }
}

}  // namespace troupe::actors
