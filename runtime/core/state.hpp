// The life of an experiment, a set or a job, the same everywhere.
//
//   QUEUED -> PREPARING -> STARTING -> RUNNING -> FINISHED | FAILED | KILLED
//   QUEUED -> SKIPPED (a predecessor failed)      any live state -> KILLING -> KILLED
//   PREPARING | STARTING | RUNNING -> PREEMPTED | RESTARTING -> QUEUED
//   any live state -> FAILED
//
// A terminal state never changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace troupe {

/// Numbers are stable: they are stored and travel.
enum class State : uint8_t {
  queued = 1,
  preparing,
  starting,
  running,
  killing,
  finished,
  failed,
  killed,
  skipped,
  preempted,
  restarting,
};

/// "QUEUED", "PREPARING", ...
std::string_view to_string(State state);
std::optional<State> state_from_string(std::string_view text);  // any case
bool is_terminal(State state);
/// Whether the table above has this step. A step to the same state is none.
bool may_become(State from, State to);

}  // namespace troupe
