// A head with one node, on which the members of a set run.
#pragma once

#include "tests/actors/head_fixture.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

class SetTest : public HeadTest {
 protected:
  /// Its number; 0, and a failure, where it is refused.
  uint64_t start(Submission submission);
  void report_metrics(const JobOrder& order, const std::map<std::string, double>& values,
                      double step = 0);
  /// What runs, in the order in which it was started.
  std::vector<JobOrder> running();
  /// The head dies and comes back, and finds these on its node "a".
  void restart_with(const std::vector<JobOrder>& runs);

  std::shared_ptr<NodeProbe> node;
};

}  // namespace troupe::actors
