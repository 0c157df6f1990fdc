// What the placement receipts of gangs say of nodes and of the links between them: which nodes were
// measured together a short while ago, and what is far below what it mostly was. In memory, and
// bounded: after a restart of the head receipt_recall fills it. For any thread.
#pragma once

#include "runtime/core/ids.hpp"
#include "runtime/core/receipt.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// Something on a node, or between two, that is far below usual, in words.
struct ReceiptDrift {
  std::vector<std::string> nodes;
  std::string text;  // "link a -> b 0.4 GB/s, usually 1.1 GB/s"
};

class ReceiptBook {
 public:
  /// So long a receipt stands for those nodes, and so long a figure counts against one.
  static constexpr std::chrono::microseconds good_for = std::chrono::hours{1};
  /// One that could not be made: what it waits for in vain is not waited for at each start.
  static constexpr std::chrono::microseconds bad_for = std::chrono::minutes{10};
  /// So many of the newest figures say what is usual, and fewer than the least say nothing.
  static constexpr size_t figures_max = 16, figures_min = 4;
  static constexpr size_t series_max = 4096, receipts_max = 1024;

  /// The one that stands for these nodes, in whatever order; its notes are not repeated.
  std::optional<Receipt> known(std::vector<std::string> nodes, Timestamp now) const;
  /// A new one. What it shows to be below half of the median of the figures before.
  std::vector<ReceiptDrift> add(ExperimentId of, const Receipt& receipt, Timestamp now);
  /// Nodes that are better avoided: of a slow link the end that has more such links among its own,
  /// or both.
  std::set<std::string> drifting(Timestamp now) const;
  /// What is slow now on that node, or between it and another.
  std::vector<std::string> texts_of(const std::string& node, Timestamp now) const;

 private:
  /// A directed link; the second is empty: copies within the memory of the first.
  using Subject = std::pair<std::string, std::string>;
  struct Series {
    std::deque<uint64_t> figures;  // the newest last
    uint64_t usual = 0;            // before that one; 0: not known
    Timestamp time;                // of that one
    bool slow() const { return usual != 0 && figures.back() < usual / 2; }
  };

  void note(const Subject& subject, uint64_t figure, Timestamp now,
            std::vector<ReceiptDrift>& drifts);
  bool counts(const Series& series, Timestamp now) const;
  static std::string text(const Subject& subject, const Series& series);

  mutable std::mutex mutex_;
  std::map<Subject, Series> series_;
  std::map<std::vector<std::string>, Receipt> receipts_;  // by nodes, rising
};

}  // namespace troupe::actors
