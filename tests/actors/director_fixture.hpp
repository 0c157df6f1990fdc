// A head with the real ledger, scheduler and experiment actors, and one node that only remembers.
#pragma once

#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

#include <memory>

namespace troupe::actors {

class Director : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    node = join("a");
  }
  ExperimentId run_one(ExperimentSpec spec = spec_of()) {
    auto submitted = submit(std::move(spec));
    EXPECT_TRUE(submitted);
    return submitted ? submitted->id : ExperimentId{};
  }
  /// More than fits: it waits.
  static ExperimentSpec large() {
    auto spec = spec_of();
    spec.resources.cpus = 4;
    return spec;
  }

  std::shared_ptr<NodeProbe> node;
};

}  // namespace troupe::actors
