#include "actors/worker/cache.hpp"

#include "actors/worker/bringer.hpp"
#include "actors/worker/job_mounts.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// What changes together is told together; how far a fill is interests people alone.
constexpr auto tell_after = std::chrono::milliseconds{20};
constexpr auto tell_progress_after = std::chrono::milliseconds{500};
// What came of a fill that broke off serves the next one that soon. It is looked for at the start
// and with each wish; the head sends an empty one every hour. (A timer of an hour would keep this
// actor, and so the worker, from ending.)
constexpr auto abandoned_after = std::chrono::hours{24};

/// Looks once at what lies on the disk.
caf::behavior finder_behavior(caf::event_based_actor* self, WorkerContextRef context,
                              cache_actor cache) {
  return {[=](begin_atom) {
    self->send(cache, found_atom_v, share(find_versions(context->paths)));
    self->quit();
  }};
}

/// Removes what is leaving.
caf::behavior remover_behavior(caf::event_based_actor* self, WorkerContextRef context,
                               cache_actor cache, std::vector<std::string> digests) {
  return {[=](begin_atom) {
    for (const auto& digest : digests) {
      auto removed = remove_version(context->paths, digest);
      if (!removed) log::warning("cache", "{}", to_string(removed.error()));
      self->send(cache, gone_atom_v, digest, removed.has_value());
    }
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
  books_ = CacheBooks{context_->name, context_->cache_limit};
  cache_actor me{self_};
  auto finder = context_->detach_blocking
                    ? self_->spawn<caf::detached>(finder_behavior, context_, me)
                    : self_->spawn(finder_behavior, context_, me);
  caf::anon_send(finder, begin_atom_v);
  return {
      [this](hold_atom, const JobKey& key, const OrderRef& order) { return hold(key, *order); },
      [this](release_atom, const JobKey& key) { release(key); },
      [this](fetch_atom, const CacheWishes& asked) { wishes(asked); },
      [this](report_atom) { report(); },
      [this](found_atom, const FoundRef& found) {
        for (const auto& one : *found) books_.found(one, now());
        changed(News::change);
        self_->send(self_, tick_atom_v);
      },
      [this](room_atom, const std::string& digest, uint64_t needed, uint64_t lacking) {
        return room(digest, needed, lacking);
      },
      [this](progress_atom, const std::string& digest, uint64_t arrived, uint64_t total) {
        books_.progress(digest, arrived, total);
        changed(News::progress);
      },
      [this](gone_atom, const std::string& digest, bool removed) {
        if (books_.gone(digest, removed)) bring_lacking();
        changed(News::change);
      },
      [this](filled_atom, const FilledRef& one) { filled(*one); },
      [this](tick_atom) { remove_abandoned(); },
      [this](flush_atom) {
        if (untold_ != News::none) report();
      },
  };
}

/// Jobs that go on have mounts of their own; where they have not, what they still read stays
/// mounted, and a worker that comes back finds it.
CacheState::~CacheState() {
  if (!context_) return;
  if (context_->mounts.denied)
    unmount_trees(context_->paths, books_.held());
  else
    close_trees(context_->paths);
}

CacheState::HoldPromise CacheState::hold(const JobKey& key, const JobOrder& order) {
  Waiting wait{key, {}, self_->make_response_promise<HeldDataRef>()};
  auto promise = wait.promise;
  auto method = context_->mount_method;
  if (!order.mount_method.empty()) method = mount_method_from(order.mount_method);
  for (const auto& data : order.data) {
    books_.hold(data.digest, key, now());
    wait.wishes.push_back({data.digest, method});
  }
  changed(News::change);
  if (answer(wait)) return promise;
  waiting_.push_back(std::move(wait));
  bring_lacking();
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
  if (!books_.expect(wish.digest)) return;
  cache_actor me{self_};
  auto bringer = context_->detach_blocking
                     ? self_->spawn<caf::detached>(bringer_behavior, context_, me, wish)
                     : self_->spawn(bringer_behavior, context_, me, wish);
  caf::anon_send(bringer, begin_atom_v);
}

/// What somebody waits for and nobody brings: it was leaving, is to be seen another way than it was
/// asked for before, or its mount has gone meanwhile.
void CacheState::bring_lacking() {
  for (const auto& wait : waiting_)
    for (const auto& wish : wait.wishes)
      if (!ready_.contains(wish)) bring(wish);
}

/// Nobody holds what comes by a wish: it is here for whoever does next, until something else needs
/// its room.
void CacheState::wishes(const CacheWishes& asked) {
  books_.want(asked.wanted, asked.all);
  remove_abandoned();
  for (const auto& digest : asked.bring) {
    bool damaged = books_.is_here(digest) && !is_verified(context_->paths, digest);
    // Those who read it now read on; whoever comes next gets it whole.
    if (damaged) std::erase_if(ready_, [&](const auto& one) { return one.first.digest == digest; });
    if (damaged || !books_.is_here(digest)) bring({digest, context_->mount_method});
  }
  changed(News::change);
}

caf::result<VictimsRef> CacheState::room(const std::string& digest, uint64_t needed,
                                         uint64_t lacking) {
  auto victims = books_.make_room(digest, needed, lacking);
  if (!victims) return to_caf(victims.error());
  for (const auto& victim : *victims)
    log::info("cache", "dataset {} makes room for {}", victim, digest);
  return share(std::move(*victims));
}

void CacheState::filled(const Filled& filled) {
  const auto& wish = filled.wish;
  if (filled.whole) {
    auto mount = filled.done ? std::string{to_string(filled.done->method)} : std::string{};
    books_.arrived(wish.digest,
                   {filled.bytes, std::move(mount), filled.was_here, filled.sources, filled.left},
                   now());
  } else {
    books_.failed(wish.digest, filled.done.error(), filled.bytes, now());
  }
  if (filled.done && books_.is_held(wish.digest)) ready_.insert_or_assign(wish, *filled.done);
  for (const auto& source : filled.left)
    log::warning("cache", "dataset {}: {}", wish.digest, source);
  changed(News::change);
  std::erase_if(waiting_, [&](Waiting& wait) {
    if (std::find(wait.wishes.begin(), wait.wishes.end(), wish) == wait.wishes.end()) return false;
    if (filled.done) return answer(wait);
    wait.promise.deliver(to_caf(filled.done.error()));
    return true;
  });
  bring_lacking();
}

void CacheState::release(const JobKey& key) {
  std::erase_if(waiting_, [&](const Waiting& wait) { return wait.key == key; });
  auto before = books_.held();
  books_.release(key, now());
  for (const auto& digest : before) {
    if (books_.is_held(digest)) continue;
    touch_version(context_->paths, digest);
    // It may be removed now: whoever wants it next looks.
    std::erase_if(ready_, [&](const auto& one) { return one.first.digest == digest; });
  }
  changed(News::change);
}

void CacheState::remove_abandoned() {
  auto digests = books_.abandoned(now(), abandoned_after);
  if (digests.empty()) return;
  for (const auto& digest : digests)
    log::info("cache", "what had come of dataset {} is removed: nobody asks for it", digest);
  cache_actor me{self_};
  auto remover = context_->detach_blocking
                     ? self_->spawn<caf::detached>(remover_behavior, context_, me, digests)
                     : self_->spawn(remover_behavior, context_, me, digests);
  caf::anon_send(remover, begin_atom_v);
}

/// A change does not wait for what was said to come later.
void CacheState::changed(News news) {
  if (news <= untold_) return;
  untold_ = news;
  self_->delayed_send(self_, news == News::change ? tell_after : tell_progress_after, flush_atom_v);
}

void CacheState::report() {
  untold_ = News::none;
  auto told = books_.report(now());
  told.disk_free = disk_free(context_->paths.dir);
  told.address = context_->data_address;
  if (context_->registry) self_->send(context_->registry, cache_atom_v, context_->name, told);
}

}  // namespace troupe::actors
