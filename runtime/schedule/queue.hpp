// The waiting requests in order: higher priority first, then who used less than their share, then
// the lower level, then first come first served. Requests of the same shape (all but the id) and
// level share one line, so a million waiting members of a sweep cost a line entry and an index
// entry each, and the next to start is found among the shapes alone. Owned by the Scheduler; no
// thread of its own.
#pragma once

#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace troupe::schedule {

/// What goes before the order of arrival: lower is better.
struct Class {
  int32_t priority = 0;  // negated
  int32_t surplus = 0;   // 1: beyond the places that its set is sure of
  int32_t share = 0;     // how far its user and project are over their share
  int32_t level = 0;     // by service; -1: it starved
  auto operator<=>(const Class&) const = default;
};

class Queue {
 public:
  struct Line {
    const Request* shape = nullptr;  // its id is zero, and so is its service
    Class rank;
    uint64_t first = 0;    // sequence of the first entry
    uint64_t blocked = 0;  // the Scheduler's: the state of things in which the first did not fit
  };

  /// False where the id waits already. A sequence of 0: behind all others.
  bool push(const Request& request, Class rank, uint64_t sequence = 0);
  bool remove(ExperimentId id);
  bool contains(ExperimentId id) const { return index_.contains(id); }
  size_t size() const { return index_.size(); }
  /// Without its service.
  std::optional<Request> find(ExperimentId id) const;
  const Class* rank_of(ExperimentId id) const;
  uint64_t sequence_of(ExperimentId id) const;
  uint64_t take_sequence() { return next_sequence_++; }

  /// The lines that may block, in the order of their first entries. Whatever changes the queue may
  /// end a Line; `next` then goes on by place.
  Line* first();
  const Line* first_line() const { return heads_.empty() ? nullptr : heads_.begin()->second; }
  Line* next(const Class& rank, uint64_t sequence);
  ExperimentId first_id(const Line& line) const;

  /// Shapes for which `possible` says no step out of the line: no node could ever run them, so they
  /// wait without holding up the others. To be called again when nodes change.
  template <class Possible>
  void sort_out(Possible possible) {
    for (auto& [key, line] : lines_) set_parked(line, !possible(key.first));
  }
  /// Like sort_out, for the shape of one request.
  void set_possible(ExperimentId id, bool possible);
  /// Puts every line in its new place; share_of(shape). What starved has no share to wait for.
  template <class ShareOf>
  void reorder(ShareOf share_of) {
    heads_.clear();
    for (auto& [key, line] : lines_) {
      line.rank.share = line.rank.level < 0 ? 0 : share_of(key.first);
      if (!line.parked) heads_.emplace(order_of(line), &line);
    }
  }

  /// Whether those of a set whose members are not all sure of a place are beyond it now.
  void set_surplus(uint64_t set, bool surplus);
  /// Those that wait, in no order.
  std::vector<ExperimentId> members_of(uint64_t set) const;

  /// The first of each line, in order.
  std::vector<Request> fronts(size_t count) const;
  /// How many that may block stand before it.
  size_t ahead(ExperimentId id) const;
  /// The first few of them.
  std::vector<ExperimentId> first_ahead(ExperimentId id, size_t count) const;

 private:
  struct ShapeLess {
    bool operator()(const std::pair<Request, int32_t>& a,
                    const std::pair<Request, int32_t>& b) const;
  };
  struct Entry {
    ExperimentId id;  // top 0: was taken out
    uint64_t sequence = 0;
  };
  struct Entries : Line {
    int32_t level = 0;          // of the key
    std::deque<Entry> entries;  // by sequence; the first is never one that was taken out
    size_t gone = 0;            // entries that were taken out
    bool parked = false;
  };
  struct Where {
    Entries* line = nullptr;
    uint64_t sequence = 0;
  };
  using Order = std::pair<Class, uint64_t>;

  static Order order_of(const Entries& line) { return {line.rank, line.first}; }
  void set_parked(Entries& line, bool parked);
  void erase(Entries& line, uint64_t sequence);
  static size_t live_before(const Entries& line, uint64_t sequence);
  static bool all_before(const Entries& line, const Where& where);
  static bool none_before(const Entries& line, const Where& where);

  std::map<std::pair<Request, int32_t>, Entries, ShapeLess> lines_;  // by shape and level
  std::unordered_map<ExperimentId, Where> index_;
  std::map<Order, Entries*> heads_;  // of the lines that are not parked
  uint64_t next_sequence_ = 1;
};

}  // namespace troupe::schedule
