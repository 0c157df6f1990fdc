// The state machine of one experiment, for tests of it, input by input.
#pragma once

#include "runtime/core/limits.hpp"
#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

namespace troupe::actors {

/// Its state events, as "FROM>TO".
inline std::vector<std::string> steps(const Effects& effects) {
  std::vector<std::string> list;
  for (const auto& event : effects.events) list.push_back(event.from + ">" + event.to);
  return list;
}

class Life : public ::testing::Test {
 protected:
  explicit Life(ExperimentSpec spec = spec_of()) : life{record_of(std::move(spec))} {}

  const ExperimentRecord& record() const { return life.record(); }
  Effects place(const std::vector<std::string>& nodes = {"a"}) {
    return life.place(places_on(nodes), ++epoch, t0);
  }
  Effects runs(uint32_t index = 0) {
    return life.update(update_of(record(), JobStep::running, index), t0);
  }
  Effects exits(int32_t code, uint32_t index = 0, int32_t signal = 0) {
    return life.update(exit_of(record(), code, index, signal), t0);
  }
  /// A life that was read from the ledger as it stands.
  ExperimentLife restarted() const { return ExperimentLife{record()}; }

  ExperimentLife life;
  uint64_t epoch = 100;
};

class RetriedLife : public Life {
 protected:
  RetriedLife() : Life{spec()} {}
  static ExperimentSpec spec() {
    auto spec = spec_of();
    spec.retry = {2, std::chrono::seconds{30}};
    return spec;
  }
};

}  // namespace troupe::actors
