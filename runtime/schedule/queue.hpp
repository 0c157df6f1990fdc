// The waiting requests in order: higher priority first, then first come first served. Requests of
// the same shape (all but the id) share one line, so a million waiting members of a sweep cost a
// line entry and an index entry each, and the next to start is found among the shapes alone.
// Owned by the Scheduler; no thread of its own.
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

class Queue {
 public:
  /// False where the id waits already.
  bool push(const Request& request);
  bool remove(ExperimentId id);
  bool contains(ExperimentId id) const { return index_.contains(id); }
  size_t size() const { return index_.size(); }
  std::optional<Request> find(ExperimentId id) const;

  /// Who is next among the shapes that may block, and its place in the order of arrival.
  struct Head {
    Request request;
    uint64_t sequence = 0;
  };
  std::optional<Head> head() const;
  /// The head's place in the order of arrival alone: costs nothing.
  std::optional<uint64_t> head_sequence() const;

  /// Shapes for which `possible` says no step out of the line: no node could ever run them, so they
  /// wait without holding up the others. To be called again when nodes change.
  template <class Possible>
  void sort_out(Possible possible) {
    for (auto& [key, line] : lines_) set_parked(line, !possible(key));
  }
  /// Like sort_out, for the shape of one request.
  void set_possible(ExperimentId id, bool possible);

  /// How many that may block stand before it.
  size_t ahead(ExperimentId id) const;
  /// The first few of them.
  std::vector<ExperimentId> first_ahead(ExperimentId id, size_t count) const;

 private:
  struct ShapeLess {
    bool operator()(const Request& a, const Request& b) const;
  };
  struct Entry {
    ExperimentId id;  // top 0: was taken out
    uint64_t sequence = 0;
  };
  struct Line {
    const Request* shape = nullptr;  // the key in lines_; its id is zero
    std::deque<Entry> entries;       // by sequence; the first is never one that was taken out
    size_t gone = 0;                 // entries that were taken out
    bool parked = false;
  };
  struct Where {
    Line* line = nullptr;
    uint64_t sequence = 0;
  };
  using Order = std::tuple<int32_t, uint64_t, Line*>;  // priority negated, sequence of the first

  static Order order_of(Line& line);
  void set_parked(Line& line, bool parked);
  void erase(Line& line, uint64_t sequence);
  static size_t live_before(const Line& line, uint64_t sequence);
  static bool all_before(const Line& line, const Where& where);
  static bool none_before(const Line& line, const Where& where);

  std::map<Request, Line, ShapeLess> lines_;
  std::unordered_map<ExperimentId, Where> index_;
  std::set<Order> heads_;  // of the lines that are not parked
  uint64_t next_sequence_ = 1;
};

}  // namespace troupe::schedule
