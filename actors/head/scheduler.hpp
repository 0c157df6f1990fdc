// The scheduler actor: owns the queue. Every change marks it dirty; one pass follows however many
// changes came.
#pragma once

#include "actors/head/head_context.hpp"
#include "runtime/schedule/scheduler.hpp"

namespace troupe::actors {

class SchedulerState {
 public:
  static inline const char* name = "troupe.scheduler";
  explicit SchedulerState(scheduler_actor::pointer self) : self_{self} {}
  scheduler_actor::behavior_type make_behavior();

 private:
  void dirty();
  void pass();
  WaitingRef why(ExperimentId id) const;
  NodeViewsRef nodes() const;

  scheduler_actor::pointer self_;
  placement_sink sink_;
  schedule::Scheduler scheduler_;
  bool open_ = false;  // closed during recovery: what runs must be known before anything is placed
  bool pass_pending_ = false;
};

scheduler_actor::behavior_type scheduler_behavior(
    scheduler_actor::stateful_pointer<SchedulerState> self);

}  // namespace troupe::actors
