// The series actor: writes metric series, grouped, so that any number of jobs cost a few commits a
// second. Bounded: over the limit points are dropped and counted, and nothing waits for them.
#pragma once

#include "actors/head/head_context.hpp"

namespace troupe::actors {

class SeriesState {
 public:
  static inline const char* name = "troupe.series";
  explicit SeriesState(series_actor::pointer self) : self_{self} {}
  series_actor::behavior_type make_behavior(HeadContextRef context);

 private:
  void add(const ChunksRef& chunks);
  void flush();

  series_actor::pointer self_;
  HeadContextRef context_;
  std::vector<storage::SeriesChunk> waiting_;
  size_t waiting_points_ = 0;
  bool flush_pending_ = false;
  Counter* points_ = nullptr;
  Counter* dropped_ = nullptr;
};

series_actor::behavior_type series_behavior(series_actor::stateful_pointer<SeriesState> self,
                                            HeadContextRef context);

}  // namespace troupe::actors
