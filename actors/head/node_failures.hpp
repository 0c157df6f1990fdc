// What counts against a node: experiments that failed there through no fault of their own. Few
// nodes of a cluster make most of these failures, so one that does it again and again gets no more
// work.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/node_rules.hpp"
#include "runtime/core/value.hpp"

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

struct NodeFailure {
  Timestamp time;
  ExperimentId experiment;
  std::string what;
  bool operator==(const NodeFailure&) const = default;
};

/// Against one node, oldest first. One experiment counts once, however often it fails: it may be
/// the one that breaks nodes. So does what one cause does to several at a time (the loss of the
/// node).
class NodeFailures {
 public:
  void add(NodeFailure failure, const NodeRules& rules);
  /// Drops what is too old to count.
  void expire(Timestamp now, const NodeRules& rules);
  bool too_many(const NodeRules& rules) const {
    return rules.failures_max > 0 && list_.size() >= rules.failures_max;
  }
  const std::vector<NodeFailure>& list() const { return list_; }
  /// "2026-01-01T00:00:00Z 42.7: its node w1 is gone".
  std::vector<std::string> texts() const;
  std::string summary() const;

  Value to_value() const;
  static NodeFailures from(const Value& value);
  bool operator==(const NodeFailures&) const = default;

 private:
  std::vector<NodeFailure> list_;
};

/// Where experiments put failures for the registry to take. For any thread.
class NodeFailureBox {
 public:
  using Entry = std::pair<std::string, NodeFailure>;  // node first
  void add(std::string node, NodeFailure failure) {
    std::lock_guard lock{mutex_};
    if (entries_.size() < entries_max) entries_.emplace_back(std::move(node), std::move(failure));
  }
  std::vector<Entry> take() {
    std::lock_guard lock{mutex_};
    return std::exchange(entries_, {});
  }

 private:
  // Nobody takes them where there are no nodes but our own.
  static constexpr size_t entries_max = 10'000;
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace troupe::actors
