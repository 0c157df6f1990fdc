// What room a request would have if some running ones were gone. Lives for one decision; borrows
// the nodes and the request.
#pragma once

#include "runtime/schedule/nodes.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::schedule {

class Clearing {
 public:
  Clearing(const Nodes& nodes, const Request& request)
      : nodes_{nodes}, request_{request}, slots_{nodes.slots_free(request, request.workers_min)} {}

  /// As if these jobs were gone. False, and nothing changes, where that is of no use to it.
  bool clear(const Amount& amount, const std::vector<JobPlace>& jobs);
  /// The way back of a clear() that was of use.
  void unclear(const Amount& amount, const std::vector<JobPlace>& jobs);
  /// As if one more of this were on each of these nodes, where there is room for it.
  void take(const Amount& amount, const std::vector<std::string>& nodes);
  bool enough() const { return slots_ >= request_.workers_min; }
  /// A node for each of workers_min workers, cleared ones first. Only where there is enough.
  std::vector<std::string> places() const;

 private:
  void change(const Amount& amount, const std::vector<JobPlace>& jobs, bool back);
  uint64_t slots_on(size_t node) const;

  const Nodes& nodes_;
  const Request& request_;
  uint64_t slots_;
  std::map<size_t, Amount> gained_;  // by node
};

}  // namespace troupe::schedule
