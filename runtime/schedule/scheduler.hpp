// The scheduler: who starts next, and where. Pure and deterministic: no threads, no clock, no I/O;
// the same calls give the same answers. The scheduler actor owns one and carries out what it says.
//
// Order: higher priority first, then what the Policy says, then first come first served. With a
// default Policy the head of the line is never passed by a later request (so a large one cannot
// starve), with one exception: what no accepting node could run even if it were empty waits aside
// and holds up nobody.
//
//   enqueue -> [queue] -> decide() -> holds resources -> release() per job, or release_all()
//      ^          '-> dequeue()  |         ^-- adopt() after a restart
//      |                         '-> preemptions: release() comes once they have stopped; until
//      '------------------------------ then the room is promised to whom it is for
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/schedule/clearing.hpp"
#include "runtime/schedule/nodes.hpp"
#include "runtime/schedule/policy.hpp"
#include "runtime/schedule/queue.hpp"
#include "runtime/schedule/request.hpp"
#include "runtime/schedule/shares.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::schedule {

class Scheduler {
 public:
  explicit Scheduler(Policy policy = {});

  const Policy& policy() const { return policy_; }
  /// What all that follows happens at; never goes back.
  void set_time(Time now);

  /// Adds a node or changes it. What is held on it stays held, also where it now has less.
  void put_node(NodeSpec spec);
  /// Jobs on it are forgotten as holders; what becomes of their experiments is the caller's to say.
  void remove_node(std::string_view name);

  /// Bytes of dataset versions that are on a node now, by digest.
  void put_data(std::string_view node, std::map<std::string, uint64_t> data);

  /// Nodes where something is far below usual, see Nodes::put_drift.
  void put_drift(std::set<std::string> names) { nodes_.put_drift(std::move(names)); }

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

  /// Of the set's members only so many, the first ones, are sure of a place. Those beyond wait
  /// behind all others of their priority, and give their place to these at a checkpoint. 0: all are
  /// sure.
  void set_range(uint64_t set, uint32_t sure);

  /// What runs has just written a checkpoint, so a stop costs it little. One with a range of
  /// workers is stopped then, to be started anew with more where nobody waits for the room, or with
  /// fewer where what it has beyond its least is what the first in line waits for. One that is
  /// beyond the places that its set is sure of is stopped where another waits for its room.
  void checkpointed(ExperimentId id);

  /// What starts now, in order, at most `max`, and what must stop so that others can; the
  /// resources of the first are held from here on. Costs next to nothing where neither time nor
  /// room nor the first in line changed since the last call.
  Decision decide(size_t max = SIZE_MAX);
  /// The starts alone, for policies that stop nothing.
  std::vector<Placement> schedule(size_t max = SIZE_MAX) { return decide(max).starts; }

  /// Tells the packing that requests like this one will come; those enqueued it knows.
  void expect(const Request& request) { nodes_.expect(request); }
  /// What it has received so far, waiting or running; 0 where neither.
  uint64_t service(ExperimentId id) const;

  /// Every reason in words, with numbers.
  Explanation why(ExperimentId id) const;

  /// Where the first that wait and read datasets will most likely start, in order; one of each
  /// shape.
  std::vector<Forecast> forecasts(size_t count) const;
  /// Digests of what the first that wait will read, each once, rising.
  std::vector<std::string> data_waited_for() const;

  std::vector<NodeUse> nodes() const;
  std::optional<NodeUse> node(std::string_view name) const;
  size_t waiting() const { return queue_.size() + promises_.size(); }
  bool is_waiting(ExperimentId id) const { return queue_.contains(id) || promises_.contains(id); }
  /// How many experiments hold resources.
  size_t holding() const { return held_.size(); }
  /// How many stand before it in the line; none where it does not wait.
  std::optional<size_t> position(ExperimentId id) const;

 private:
  struct Held {
    Request request;
    std::vector<JobPlace> jobs;
    uint64_t sequence = 0;  // its place in the order of arrival
    Class rank;
    uint64_t service = 0;  // at `since`
    uint64_t rate = 0;
    Time since{0}, started{0};
    Time safe_until{0};  // not stopped for others before
    Time timer{0};       // when its rank or safety changes; 0: never
    bool rescued = false;
    bool stopping = false;
    bool surplus = false;  // beyond the places that its set is sure of
    Time checkpoint{0};    // its newest; 0: none since it is held
    Time interval{0};      // before that one
  };
  /// A set of which not all members are sure of a place.
  struct Range {
    uint32_t sure = 0;
    /// Null: room is promised to it. Without those that are to stop.
    std::map<ExperimentId, Held*> running;
    bool was_full = false;
    bool full() const { return running.size() >= sure; }
  };
  /// Room set aside for one that starts when those who hold it have stopped.
  struct Promise {
    Request request;
    uint64_t sequence = 0;
    Class rank;
    std::vector<std::string> nodes;     // one for each worker
    std::vector<ExperimentId> awaited;  // those that are to stop
  };
  /// What is kept of one that waits and ran before.
  struct Kept {
    uint64_t service = 0;
    Time since{0};
  };
  /// What is kept of one that was stopped, until it is enqueued again.
  struct Stopped {
    uint64_t sequence = 0;
    uint64_t service = 0;
    Time at{0};
  };
  /// When and where the first that is blocked will start at the latest.
  struct Reservation {
    Request request;
    Time at{0};
    std::vector<std::string> nodes;  // one for each worker
    std::vector<std::pair<std::string, Amount>> leaving;
  };
  /// Asks for too much in this state of things, and so does whoever asks for no less.
  struct TooMuch {
    Request shape;
    Class rank;
  };
  struct Pass;

  bool possible(const Request& request) const;
  void nodes_changed();
  int32_t level_of(uint64_t service) const;
  uint64_t service_now(const Held& held) const;
  Class rank_of(const Request& request, int32_t level, bool surplus) const;
  void count_wants(const Request& request, int change);

  // Running ones: scheduler_runs.cpp.
  void start(const Request& request, uint64_t sequence, const Class& rank,
             std::vector<JobPlace> places);
  Held& hold(const Request& request, uint64_t sequence);
  void settle(Held& held);
  void set_rank(Held& held);
  void set_timer(Held& held);
  void end_run(std::unordered_map<ExperimentId, Held>::iterator at);
  void stop(Held& held);
  void pass_time();
  void rescue_starving();
  std::optional<Time> next_wake() const;

  // One pass: scheduler_pass.cpp.
  void pass(Decision& out, size_t max);
  bool go_past(Pass& now, const Request& request, const Class& rank);
  std::vector<JobPlace> try_place(Pass& now, const Request& request);
  bool preempt(Pass& now, const Request& request, const Class& rank, uint64_t sequence);
  std::vector<Held*> find_victims(Clearing& room, const Class& rank) const;
  static void keep_needed(Clearing& room, std::vector<Held*>& victims);
  std::optional<Reservation> reserve(const Request& request, const Class& rank) const;
  void set_aside(const Request& request, const std::vector<std::string>& nodes, bool take_back);
  void apply(const Reservation& reservation, bool take_back);
  void keep_promises(Decision& out);
  void make_promise(Promise promise);
  void break_promise(ExperimentId id, bool requeue);

  // Ranges of workers: scheduler_elastic.cpp.
  void resize(Decision& out);
  bool grow(Held& held, Decision& out);
  bool shrink(Held& held, Decision& out);

  // Sets with a range of members: scheduler_ranges.cpp.
  bool is_beyond(ExperimentId id) const;
  void queue_ranged(Request request, int32_t level, uint64_t sequence);
  void join_range(ExperimentId id, Held* held);
  void leave_range(ExperimentId id);
  void settle_range(uint64_t set, Range& range);
  bool is_due(const Held& held) const;
  std::vector<Held*> surplus_for(const Class& rank) const;
  std::vector<Held*> find_surplus(Clearing& room, const Class& rank, ExperimentId id,
                                  std::optional<ExperimentId> at_checkpoint) const;
  bool give_back(Held& held, Decision& out);
  void give_up_collecting();
  bool is_collected_from(const Class& rank) const;
  std::optional<Time> next_overdue() const;
  void explain_ranges(const Request& request, Explanation& out) const;

  // Words: explain.cpp.
  Result<void> check_alike(const Request& request, std::string_view name) const;
  std::vector<std::string> shortages(const Request& request) const;
  void explain_room(const Request& request, Explanation& out) const;
  void explain_line(const Request& request, Explanation& out) const;
  void explain_time(const Request& request, Explanation& out) const;
  std::string smaller_that_fits(const Request& request) const;
  std::string smaller_group_that_fits(const Request& request) const;

  // Data: scheduler_data.cpp.
  std::vector<std::string> likely_nodes(const Request& request, const Class& rank) const;
  void explain_data(const Request& request, Explanation& out) const;

  Policy policy_;
  Time now_{0};
  Nodes nodes_;
  Queue queue_;
  Shares shares_;
  std::unordered_map<ExperimentId, Held> held_;
  std::map<std::pair<Class, uint64_t>, Held*> runs_;  // the last is the first to be stopped
  std::set<std::pair<Time, ExperimentId>> timers_;
  std::map<ExperimentId, Promise> promises_;
  std::unordered_map<ExperimentId, Kept> kept_;
  std::unordered_map<ExperimentId, Stopped> stopped_;
  std::vector<ExperimentId> at_checkpoint_;  // since the last decision
  std::optional<ExperimentId> growing_;      // stops, to be started anew with more workers
  std::map<uint64_t, Range> ranges_;         // by set
  /// Those that wait, by id, for whom some have been stopped and others are to stop at their next
  /// checkpoint; who of them has yet to leave.
  std::map<ExperimentId, std::vector<ExperimentId>> collecting_;
  std::optional<Time> overdue_;  // the next of these others is not counted on any more
  std::deque<std::pair<Time, ExperimentId>> arrivals_;  // of what waits; only to find who starves
  Time next_stock_{0};                                  // when shares are looked at again
  uint64_t state_ = 1;  // counts every change that may let something start
  bool stale_ = true;   // something changed since the last whole pass
};

}  // namespace troupe::schedule
