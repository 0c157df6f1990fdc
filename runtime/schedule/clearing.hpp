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
  Clearing(const Nodes& nodes, const Request& request);

  /// As if these jobs of that request were gone. False, and nothing changes, where that is of no
  /// use to it.
  bool clear(const Request& gone, const std::vector<JobPlace>& jobs);
  /// The way back of a clear() that was of use.
  void unclear(const Request& gone, const std::vector<JobPlace>& jobs);
  /// As if each of its workers were on its node, where there is room for it.
  void take(const Request& other, const std::vector<std::string>& nodes);
  bool enough() const;
  /// A node for each of workers_min workers, cleared ones first. Only where there is enough.
  std::vector<std::string> places() const;

 private:
  size_t parts() const { return request_.groups.empty() ? 1 : request_.groups.size(); }
  const Request& part(size_t number) const {
    return request_.groups.empty() ? request_ : parts_[number];
  }
  bool usable(const Node& node) const;
  void change(const Request& gone, const std::vector<JobPlace>& jobs, bool back);
  template <class Change>
  void change(size_t node, Change what);
  Amount room(size_t node) const;
  std::vector<size_t> packed() const;

  const Nodes& nodes_;
  const Request& request_;
  std::vector<Request> parts_;       // where it has groups
  std::vector<uint64_t> slots_;      // by part: for so many of its workers there is room
  std::map<size_t, Amount> gained_;  // by node
};

}  // namespace troupe::schedule
