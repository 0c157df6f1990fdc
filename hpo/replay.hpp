// Whether what a ledger says of a search follows from its order: every point and every early stop
// is derived again from what stands before it. Pure; one thread.
#pragma once

#include "hpo/searcher.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe::hpo {

class Replay {
 public:
  explicit Replay(Searcher searcher) : searcher_{std::move(searcher)} {}

  /// The entries in their order; `point` is that of the member, as its record has it.
  void take(const SearchEntry& entry, const Point& point);
  /// There are no more.
  void finish();
  /// The points of all members, the first one's first. Where nothing is learned no entry says that
  /// one was born, and each follows from its number.
  void check_drawn(const std::vector<Point>& members);

  struct Account {
    uint64_t suggestions = 0, reports = 0, differences = 0;
    std::vector<std::string> first;  // of the differences, in words
  };
  const Account& account() const { return account_; }

 private:
  void differs(std::string what);
  void check_born(const SearchEntry& entry, const Point& point);
  void check_report(const SearchEntry& entry);
  void check_promoted(const SearchEntry& entry);

  Searcher searcher_;
  std::optional<SearchEntry> stop_;  // that must come next
  std::set<uint64_t> born_;          // of which an entry said so
  Account account_;
};

}  // namespace troupe::hpo
