#include "actors/worker/bringer.hpp"

#include "actors/worker/job_mounts.hpp"
#include "actors/worker/peer_files.hpp"
#include "runtime/core/log.hpp"

#include <atomic>

namespace troupe::actors {

namespace {

// The cache hears of progress this often: a hundredth of the whole, or so many bytes.
constexpr uint64_t progress_parts = 100;
constexpr uint64_t progress_bytes_min = 4u << 20;

}  // namespace

caf::behavior bringer_behavior(caf::stateful_actor<BringerState>* self, WorkerContextRef context,
                               cache_actor cache, DataWish wish) {
  return self->state.make_behavior(std::move(context), std::move(cache), std::move(wish));
}

caf::behavior BringerState::make_behavior(WorkerContextRef context, cache_actor cache,
                                          DataWish wish) {
  context_ = std::move(context);
  cache_ = std::move(cache);
  wish_ = std::move(wish);
  return {[this](begin_atom) { bring(); }};
}

void BringerState::bring() {
  auto id = dataset::content_id_from(wish_.digest);
  if (!id)
    return finish(Error{Errc::invalid, "this is no dataset version", wish_.digest, "submit again"});
  if (!context_->mounts.denied)
    if (auto open = open_trees(context_->paths); !open) return finish(std::move(open).error());
  version_ = std::make_unique<VersionBringer>(context_->paths, *context_->data, *id, wish_.method);
  auto here = version_->look();
  if (!here) return finish(std::move(here).error());
  was_here_ = *here;
  if (!was_here_) drop_given(wish_.digest);  // it may have been here, and damaged
  plan();
}

void BringerState::plan() {
  auto room = version_->plan();
  if (!room) return finish(std::move(room).error());
  needed_ = room->needed;
  if (was_here_ && room->needed <= room->there) return go_on(Step::show);
  ask_room(room->lacking, was_here_ ? Step::show : Step::fill, {});
}

/// `otherwise` is what there is to say where nothing can go any more; empty: what the cache says.
void BringerState::ask_room(uint64_t lacking, Step next, const Error& otherwise) {
  // tidy: allow infinite: the cache answers, or ends and with it the worker
  self_->request(cache_, caf::infinite, room_atom_v, wish_.digest, needed_, lacking)
      .then(
          [this, next](const VictimsRef& victims) {
            remove(*victims);
            go_on(next);
          },
          [this, otherwise](caf::error& e) {
            finish(otherwise.what.empty() ? from_caf(e, "room for a dataset") : otherwise);
          });
}

void BringerState::remove(const std::vector<std::string>& victims) {
  for (const auto& victim : victims) {
    drop_given(victim);
    auto removed = remove_version(context_->paths, victim);
    if (!removed) log::warning("cache", "{}", to_string(removed.error()));
    self_->send(cache_, gone_atom_v, victim, removed.has_value());
  }
}

/// Whoever is given it keeps what he is reading now, and no more: its disk space comes free.
void BringerState::drop_given(const std::string& digest) const {
  if (context_->given) context_->given->drop(digest);
}

void BringerState::go_on(Step step) {
  if (step == Step::fill) {
    auto told = std::make_shared<std::atomic<uint64_t>>(0);
    auto filled = version_->fill(
        [told, cache = cache_, digest = wish_.digest](uint64_t arrived, uint64_t total) {
          auto before = told->load();
          auto every = std::max(progress_bytes_min, total / progress_parts);
          if (arrived >= before + every && told->compare_exchange_strong(before, arrived))
            caf::anon_send(cache, progress_atom_v, digest, arrived, total);
        });
    // The disk became full meanwhile, or a file is larger there than its bytes.
    if (!filled && filled.error().code == Errc::exhausted)
      return ask_room(1, Step::fill, filled.error());
    if (!filled) return finish(std::move(filled).error());
  }
  auto shown = version_->show();
  if (!shown && shown.error().code == Errc::exhausted)
    return ask_room(1, Step::show, shown.error());
  if (!shown && shown.error().code == Errc::corrupt && was_here_) {
    log::warning("cache", "{}; it is fetched again", to_string(shown.error()));
    was_here_ = false;
    drop_given(wish_.digest);
    if (auto gone = version_->discard(); !gone) return finish(std::move(gone).error());
    return plan();
  }
  finish(std::move(shown));
}

void BringerState::finish(Result<DataTree> done) {
  Filled filled;
  filled.wish = wish_;
  filled.was_here = was_here_;
  if (version_) {
    auto givers = version_->givers();
    filled.sources = std::move(givers.gave);
    filled.left = std::move(givers.left);
    filled.whole = version_->is_whole() && (done || done.error().code != Errc::corrupt);
    filled.bytes = version_->bytes();
  }
  filled.done = std::move(done);
  self_->send(cache_, filled_atom_v, share(std::move(filled)));
  version_.reset();
  self_->quit();
}

}  // namespace troupe::actors
