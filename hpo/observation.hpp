// What a sampler is told of a trial, in the order of the ledger: that it was made, what it
// reached so far, how it ended. A later observation of a trial replaces the earlier one. Plain
// values.
#pragma once

#include "hpo/space.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::hpo {

enum class Outcome : uint8_t {
  running,    // made, and not at an end; values are those so far, if any
  completed,  // ended with its values
  stopped,    // ended early, by a rule that saw no hope in it; values are its last ones
  failed,     // the point itself is bad: it crashed, or never gave a finite value
  cancelled,  // ended by somebody for reasons of their own: says nothing about the point
};
std::string_view to_string(Outcome outcome);

struct Observation {
  uint64_t trial = 0;  // counted from 1
  Outcome outcome = Outcome::running;
  Point point{};
  std::vector<double> values{};  // one per objective, as reported; empty: none yet
  double step = 0;               // the resource it reached
  double violation = 0;          // of constraints that were measured: their sum; above 0 is bad
};

}  // namespace troupe::hpo
