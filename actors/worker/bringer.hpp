// The bringer: brings one dataset version here, says so to its cache, and ends. Where others have
// to go for it, the cache says which, and the bringer removes them. Detached: it blocks.
#pragma once

#include "actors/worker/cache_files.hpp"
#include "actors/worker/worker_context.hpp"

#include <memory>
#include <string>

namespace troupe::actors {

class BringerState {
 public:
  static inline const char* name = "troupe.bringer";
  explicit BringerState(caf::event_based_actor* self) : self_{self} {}
  caf::behavior make_behavior(WorkerContextRef context, cache_actor cache, DataWish wish);

 private:
  enum class Step { fill, show };

  void bring();
  void plan();
  void ask_room(uint64_t lacking, Step next, const Error& otherwise);
  void remove(const std::vector<std::string>& victims);
  void go_on(Step step);
  void drop_given(const std::string& digest) const;
  void finish(Result<DataTree> done);

  caf::event_based_actor* self_;
  WorkerContextRef context_;
  cache_actor cache_;
  DataWish wish_;
  std::unique_ptr<VersionBringer> version_;
  uint64_t needed_ = 0;
  bool was_here_ = false;
};

caf::behavior bringer_behavior(caf::stateful_actor<BringerState>* self, WorkerContextRef context,
                               cache_actor cache, DataWish wish);

}  // namespace troupe::actors
