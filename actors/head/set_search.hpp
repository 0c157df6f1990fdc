// The search of one set beside the ledger: what it is told becomes entries that go with the set's
// next commit, and after a restart of the head they are told again. Owned by the set's actor; one
// thread, reads the ledger and nothing else.
#pragma once

#include "client/api/trial_service.hpp"
#include "hpo/searcher.hpp"
#include "storage/ledger.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class SetSearch {
 public:
  static Result<SetSearch> make(const SetRecord& record);

  bool learns() const { return searcher_.learns(); }
  Result<hpo::Point> point(uint64_t trial) { return searcher_.point(trial); }
  std::vector<uint32_t> front() const { return searcher_.front(); }

  /// The point of the next member.
  Result<hpo::Point> next(uint64_t trial);
  /// Whose checkpoint it begins from; 0: nobody's.
  uint32_t copied_from(uint64_t trial) const {
    return static_cast<uint32_t>(searcher_.copied_from(trial));
  }
  void end(const ExperimentRecord& member);
  /// A member reports; those that its rule stops are in stopping() from then on.
  void report(uint32_t member, double resource, double value);
  const std::map<uint64_t, std::string>& stopping() const { return searcher_.stopping(); }
  const std::map<uint64_t, std::string>& paused() const { return searcher_.paused(); }
  std::optional<uint64_t> promotable() const { return searcher_.promotable(); }
  void promote(uint32_t member);
  /// Whether what it is told is kept in the ledger.
  bool is_kept() const { return kept_; }
  uint64_t size() const { return searcher_.size(); }

  /// Whether it could be changed so, and tried these points, none of which it has tried or will.
  Result<void> check(const storage::Ledger& ledger, const SetRecord& record,
                     const api::SetChange& change);
  void change(const ValueMap& changes, const std::string& note);
  void add_point(const hpo::Point& point, const std::string& note);
  void skip(uint32_t member, const std::string& note);
  const std::map<uint64_t, std::string>& skipped() const { return searcher_.skipped(); }
  void dismiss(uint32_t member, const std::string& note);
  /// A search that was not kept is from here on: members up to this one are born.
  void keep_from(uint64_t born);

  /// The members of an earlier set.
  Result<void> learn_from(const storage::Ledger& ledger, uint64_t top);
  /// After a restart: tells the search all that is in the ledger, and then the ends of members
  /// that were not, because the head ended in between.
  Result<void> recall(const storage::Ledger& ledger, const SetRecord& record);

  /// The entries that the ledger has not; none where there are none. One commit at a time.
  std::optional<storage::PutSearch> take();
  /// They were not written.
  void put_back(storage::PutSearch page);
  bool has_news() const { return !news_.empty(); }
  /// Whether anything was ever told or decided.
  bool is_fresh() const { return pages_ == 0 && news_.empty(); }

 private:
  SetSearch(const SetRecord& record, hpo::Searcher searcher);
  std::vector<double> values_of(const ExperimentRecord& member) const;
  void add(SearchEntry entry);

  uint64_t top_;
  std::vector<Metric> objectives_;
  hpo::Searcher searcher_;
  uint64_t born_ = 0;   // the highest member that was given a point
  uint64_t pages_ = 0;  // in the ledger, or on their way there
  std::vector<SearchEntry> news_;
  bool kept_;
};

}  // namespace troupe::actors
