// The scheduler actor: owns the queue. Every change marks it dirty; one pass follows however many
// changes came, and one more when time alone changes the answer.
#pragma once

#include "actors/head/head_context.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace troupe::actors {

class SchedulerState {
 public:
  static inline const char* name = "troupe.scheduler";
  explicit SchedulerState(scheduler_actor::pointer self) : self_{self} {}
  scheduler_actor::behavior_type make_behavior(std::shared_ptr<Clock> clock,
                                               schedule::Policy policy);

 private:
  void dirty();
  void pass();
  /// A pass at that time of the scheduler, unless one comes before it.
  void wake_at(schedule::Time at);
  schedule::Time time() const;
  WaitingRef why(ExperimentId id) const;
  void cached(const std::string& node, const CacheReport& report);
  void arm_wishes();
  void tell_wishes();
  NodeViewsRef nodes() const;

  scheduler_actor::pointer self_;
  std::shared_ptr<Clock> clock_;
  placement_sink sink_;
  schedule::Scheduler scheduler_;
  bool open_ = false;  // closed during recovery: what runs must be known before anything is placed
  bool pass_pending_ = false;
  std::optional<schedule::Time> wake_;  // the earliest pass that was asked for
  bool wish_pending_ = false;
  std::map<std::string, CacheWishes> told_wishes_;  // by node
};

scheduler_actor::behavior_type scheduler_behavior(
    scheduler_actor::stateful_pointer<SchedulerState> self, std::shared_ptr<Clock> clock,
    schedule::Policy policy);

}  // namespace troupe::actors
