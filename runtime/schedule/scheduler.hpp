// The scheduler: who starts next, and where. Pure and deterministic: no threads, no clock, no I/O;
// the same calls give the same answers. The scheduler actor owns one and carries out what it says.
//
// Order: higher priority first, then first come first served. The head of the line is never passed
// by a later request (so a large one cannot starve), with one exception: what no accepting node
// could run even if it were empty waits aside and holds up nobody.
//
//   enqueue -> [queue] -> schedule() -> holds resources -> release() per job, or release_all()
//                 '-> dequeue()             ^-- adopt() after a restart
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/schedule/nodes.hpp"
#include "runtime/schedule/queue.hpp"
#include "runtime/schedule/request.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::schedule {

class Scheduler {
 public:
  /// Adds a node or changes it. What is held on it stays held, also where it now has less.
  void put_node(NodeSpec spec);
  /// Jobs on it are forgotten as holders; what becomes of their experiments is the caller's to say.
  void remove_node(std::string_view name);

  /// `invalid` where the request can never start on the nodes known, drained ones included, naming
  /// the largest node. With no node known everything passes.
  Result<void> check(const Request& request) const;

  /// `conflict` where the experiment waits or holds resources already; `invalid` for amounts below
  /// zero or a worker range that is none. Does not check() for size.
  Result<void> enqueue(const Request& request);
  /// Takes it out of the queue; false where it did not wait.
  bool dequeue(ExperimentId id);

  /// Jobs that run already, as a worker reports them after a restart. The worker is right: they are
  /// held even if that is more than the node has, and jobs of a node not known yet count once it
  /// comes.
  void adopt(const Request& request, const std::vector<JobPlace>& jobs);
  /// One job ended. Nothing where it is not held.
  void release(ExperimentId id, uint32_t job_index);
  void release_all(ExperimentId id);

  /// All that can start now, in order, at most `max`; their resources are held from here on. Costs
  /// nothing when neither the head of the line nor the room changed since the last call.
  std::vector<Placement> schedule(size_t max = SIZE_MAX);

  /// Every reason in words, with numbers.
  Explanation why(ExperimentId id) const;

  std::vector<NodeUse> nodes() const;
  std::optional<NodeUse> node(std::string_view name) const;
  size_t waiting() const { return queue_.size(); }
  bool is_waiting(ExperimentId id) const { return queue_.contains(id); }
  /// How many experiments hold resources.
  size_t holding() const { return held_.size(); }
  /// How many stand before it in the line; none where it does not wait.
  std::optional<size_t> position(ExperimentId id) const;

 private:
  struct Held {
    Amount amount;
    std::vector<JobPlace> jobs;
  };

  bool possible(const Request& request) const;
  void nodes_changed();
  void explain_room(const Request& request, Explanation& out) const;
  void explain_line(const Request& request, Explanation& out) const;
  std::string smaller_that_fits(const Request& request) const;

  Nodes nodes_;
  Queue queue_;
  std::unordered_map<ExperimentId, Held> held_;
  uint64_t room_version_ = 1;    // counts every change that may make room
  uint64_t stuck_version_ = 0;   // the room in which the head last did not fit
  uint64_t stuck_sequence_ = 0;  // and which head that was
};

}  // namespace troupe::schedule
