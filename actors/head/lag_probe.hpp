// How late the head's actors are: once a second each of them is asked for its status, and what is
// measured is the time until it answers, which the question spends in its mailbox. Detached: it
// must not wait for those it measures.
#pragma once

#include "actors/head/head_context.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

using lag_probe_actor = caf::typed_actor<caf::reacts_to<tick_atom>>;  // INTERNAL: ask again

class LagProbeState {
 public:
  static inline const char* name = "troupe.lag_probe";
  using Targets = std::vector<std::pair<std::string, status_actor>>;
  explicit LagProbeState(lag_probe_actor::pointer self) : self_{self} {}
  lag_probe_actor::behavior_type make_behavior(HeadContextRef context, Targets targets);

 private:
  struct Target {
    std::string name;
    status_actor actor;
    Gauge* lag = nullptr;
    bool asked = false;  // and not answered
    std::chrono::nanoseconds at{0};
    bool told = false;  // that it is late
  };

  void ask(size_t index);
  void look(Target& target, bool answered);

  lag_probe_actor::pointer self_;
  HeadContextRef context_;
  std::vector<Target> targets_;
};

lag_probe_actor::behavior_type lag_probe_behavior(
    lag_probe_actor::stateful_pointer<LagProbeState> self, HeadContextRef context,
    LagProbeState::Targets targets);

}  // namespace troupe::actors
