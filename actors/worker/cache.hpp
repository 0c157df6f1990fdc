// The cache actor: the dataset versions of one node. Brings each here once, however many jobs ask
// for it at a time, shows its files, and keeps it as long as somebody holds it. Where the disk is
// full the version that was used longest ago goes.
//
// Event-based; what blocks is done by an actor of its own for each version that is brought.
#pragma once

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
  void bring(const DataWish& wish);
  void filled(const Filled& filled);

  cache_actor::pointer self_;
  WorkerContextRef context_;
  std::map<JobKey, std::set<std::string>> held_;  // digests
  std::map<std::string, uint32_t> holders_;       // of a digest, those that wait included
  std::map<DataWish, DataTree> ready_;            // held, here, and their files are shown
  std::set<std::string> coming_;                  // digests: one thing at a time is done to each
  std::vector<Waiting> waiting_;
};

cache_actor::behavior_type cache_behavior(cache_actor::stateful_pointer<CacheState> self,
                                          WorkerContextRef context);

}  // namespace troupe::actors
