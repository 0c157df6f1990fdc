// When a head gives nodes up, and when it trusts them no more: what sites may want otherwise.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>

namespace troupe {

struct NodeRules {
  Duration suspect_after = limits::node_suspect_after;  // without a beat: it gets nothing new
  Duration lost_after = limits::node_lost_after;        // its jobs start elsewhere
  uint32_t failures_max = 3;  // of different experiments, by the node's fault: it is drained; 0: no
  Duration failures_within{std::chrono::hours{24}};

  /// The same as `lost_after`, where not even the machine's kernel acknowledges anything.
  Duration machine_lost_after() const;
  /// How often nodes give a sign of life: one that is late or lost is no sign of anything.
  Duration beat_every() const;
  /// Without an acknowledgement of what is under way to it a machine counts as silent.
  Duration machine_silent_after() const;
  bool operator==(const NodeRules&) const = default;
};

/// invalid where they contradict each other, or what beats can tell.
Result<void> check(const NodeRules& rules);

}  // namespace troupe
