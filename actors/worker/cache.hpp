// The cache actor: the dataset versions of one node. Brings each here once, however many jobs ask
// for it at a time, shows its files, and keeps it as long as somebody holds it. Where the disk is
// full or the limit is reached, others go (cache_books says which). Tells the head what it has.
//
// Event-based; what blocks is done by an actor of its own for each version that is brought.
#pragma once

#include "actors/worker/cache_books.hpp"
#include "actors/worker/worker_context.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::actors {

class CacheState {
 public:
  static inline const char* name = "troupe.cache";
  explicit CacheState(cache_actor::pointer self) : self_{self} {}
  ~CacheState();
  cache_actor::behavior_type make_behavior(WorkerContextRef context);

 private:
  using HoldPromise = caf::typed_response_promise<HeldDataRef>;
  /// A job that waits for some of its versions.
  struct Waiting {
    JobKey key;
    std::vector<DataWish> wishes;  // all of them, in the order of its data
    HoldPromise promise;
  };

  HoldPromise hold(const JobKey& key, const JobOrder& order);
  bool answer(Waiting& wait);
  void release(const JobKey& key);
  void remove_abandoned();
  void wishes(const CacheWishes& wishes);
  void bring(const DataWish& wish);
  void bring_lacking();
  caf::result<VictimsRef> room(const std::string& digest, uint64_t needed, uint64_t lacking);
  void filled(const Filled& filled);
  /// What the head is to hear, and how soon.
  enum class News { none, progress, change };
  void changed(News news);
  void report();
  CacheBooks::Time now() const { return context_->clock->monotonic(); }

  cache_actor::pointer self_;
  WorkerContextRef context_;
  CacheBooks books_;
  std::map<DataWish, DataTree> ready_;  // held, here, and their files are shown
  std::vector<Waiting> waiting_;
  News untold_ = News::none;
};

cache_actor::behavior_type cache_behavior(cache_actor::stateful_pointer<CacheState> self,
                                          WorkerContextRef context);

}  // namespace troupe::actors
