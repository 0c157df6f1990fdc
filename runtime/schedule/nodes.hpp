// The nodes and what is held on them: fits, places and gives back. Owned by the Scheduler; no
// thread of its own.
#pragma once

#include "runtime/schedule/fragmentation.hpp"
#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace troupe::schedule {

struct Node {
  NodeSpec spec;
  Amount used;
  uint32_t jobs = 0;
  // In thousandths by device index; may be longer than spec.gpus after a node shrank.
  std::vector<uint32_t> gpu_used;
  uint32_t gpus_free = 0;                // devices nobody holds a part of
  Amount promised;                       // set aside for what will start here once others have left
  Amount leaving;                        // held by those others
  std::map<std::string, uint64_t> data;  // bytes of dataset versions that are there, by digest

  /// Never negative: jobs adopted from a worker may hold more than the node now declares.
  Amount free() const;
  /// Nobody holds a part of it, and it may be given away.
  bool idle(uint32_t gpu) const { return lends(gpu) && gpu_used[gpu] == 0; }
  /// Is there, and not closed.
  bool lends(uint32_t gpu) const { return gpu < spec.gpus && !spec.gpus_closed.contains(gpu); }
  /// The idle devices that suit best together: the nearest to each other, and so that what is left
  /// over stays near each other too.
  std::vector<uint32_t> best_gpus(uint32_t count) const;
  /// What may be given to anybody: free, less what is promised beyond what comes from those that
  /// leave.
  Amount open() const;
  /// Its GPUs are of the type and memory asked for, or none are asked for.
  bool has_gpus_for(const Request& request) const;
  bool has_labels(const std::map<std::string, std::string>& labels) const;
  /// Its kind of GPUs and labels suit, and it takes new work.
  bool usable(const Request& request) const;
  /// Bytes that one of its workers reads and that are not there.
  uint64_t missing(const std::vector<DataNeed>& needs) const;
};

/// How many workers of this amount go into that room. Parts of a GPU count as wholes here.
uint64_t slots(const Amount& room, const Amount& each);
bool fits(const Amount& room, const Amount& each);
/// How many where parts of GPUs are taken out of whole ones.
uint64_t slots_of_wholes(const Amount& room, const Amount& each);

class Nodes {
 public:
  explicit Nodes(bool against_fragments = false) {
    if (against_fragments) fragments_ = std::make_unique<Fragmentation>();
  }

  /// Adds the node or changes its spec; what is held on it stays.
  void put(NodeSpec spec);
  bool remove(std::string_view name);
  /// What lies there now; changes no room. Nothing for a node that is not known.
  void put_data(std::string_view name, std::map<std::string, uint64_t> data);
  /// Nodes where something is far below usual: whoever spans nodes goes there last among those with
  /// as many GPUs left over. Replaces what was told before.
  void put_drift(std::set<std::string> names) { drift_ = std::move(names); }
  const Node* find(std::string_view name) const;
  /// Sorted by name.
  const std::vector<Node>& all() const { return nodes_; }
  size_t index_of(std::string_view name) const;  // all().size() where there is none

  /// How many workers fit now on nodes that accept, counted up to `enough`.
  uint64_t slots_free(const Request& request, uint64_t enough) const;
  /// How many would fit if nothing ran. `accepting`: only on nodes that accept.
  uint64_t slots_empty(const Request& request, bool accepting, uint64_t enough) const;

  /// Whether all of workers_min, of each group its number, fit now, or would if nothing ran.
  bool fits_now(const Request& request) const;
  bool fits_empty(const Request& request, bool accepting) const;
  /// Of a request with groups: a node for each worker, if nodes had the room that `room` says; none
  /// where they do not fit together. Parts of GPUs take whole ones from that room.
  std::vector<size_t> pack(const Request& request, const std::function<Amount(size_t)>& room,
                           bool accepting) const;

  /// Places as many workers as fit up to workers_max and holds their resources, or nothing where
  /// there is no room for workers_min. Best fit: nodes with the least left over first (GPUs, then
  /// CPUs, then memory, then name), each filled before the next, so a gang spans few nodes. Whoever
  /// reads datasets goes where most of their bytes are, among nodes with as many GPUs left over:
  /// those are what packing is about.
  std::vector<JobPlace> place(const Request& request);
  /// The same on the nodes given (one for each worker), by what is free and not by what is open;
  /// all of them or nothing.
  std::vector<JobPlace> place_on(const std::vector<std::string>& names, const Request& request);

  void hold(const JobPlace& place, const Amount& amount);
  void give_back(const JobPlace& place, const Amount& amount);

  /// Sets one worker's amount aside on a node, or takes that back; likewise for one that leaves.
  void promise(std::string_view name, const Amount& amount, bool take_back);
  void leave(std::string_view name, const Amount& amount, bool take_back);

  /// Tells the packing which requests are typical here.
  void expect(const Request& request) {
    if (!fragments_) return;
    if (request.groups.empty()) fragments_->expect(request);
    for (const auto& group : request.groups) fragments_->expect(request.part(group));
  }

 private:
  // What is open, then the index: the order of best fit, whatever is asked for.
  using Key = std::tuple<uint32_t, int64_t, uint64_t, size_t>;
  using Group = std::set<Key>;

  static Key key_of(const Node& node, size_t index);
  void reindex();
  /// Call before and after a change of a node's room.
  Group::node_type take_key(size_t index);
  void put_key(size_t index, Group::node_type handle);
  template <class Change>
  void change(std::string_view name, Change what);
  template <class Visit>
  void visit(const Request& request, Visit what) const;
  std::vector<size_t> candidates(const Request& request) const;
  std::vector<size_t> candidates_by_fitness(const Request& request) const;
  bool avoids(const Node& node, const Request& request) const;
  std::vector<JobPlace> place_groups(const Request& request);
  std::vector<JobPlace> place_part(const Request& request);
  std::vector<JobPlace> place_scored(const Request& request);
  JobPlace take(size_t index, const Request& request, uint32_t number);
  uint64_t room_for(const Node& node, const Request& request) const;

  std::vector<Node> nodes_;              // sorted by name
  std::map<std::string, Group> groups_;  // by GPU type: the nodes that accept
  std::set<std::string> drift_;
  std::unique_ptr<Fragmentation> fragments_;
};

}  // namespace troupe::schedule
