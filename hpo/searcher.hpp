// One search as a set carries it out: its strategy, the points that people put before it, the rule
// that stops members early, and the entries by which a ledger keeps what it was told, in order.
// Told the same entries it makes the same suggestions and stops the same members. Owned by the
// set's actor, or by who checks a search afterwards; one thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/pareto.hpp"
#include "hpo/sampler.hpp"
#include "hpo/search.hpp"
#include "hpo/stopper.hpp"
#include "runtime/core/record.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::hpo {

/// Whether the points of a strategy depend on what came of others.
bool learns(std::string_view strategy);

struct SearchPlan {
  uint64_t members = 0;   // at most
  StrategyChoice picked;  // what `auto` stands for; empty where the strategy has another name
};
/// What a sweep will be, or why it cannot be: `invalid`.
Result<SearchPlan> plan_search(const std::vector<Parameter>& parameters, const SweepSpec& sweep);

/// Whether a point, put over one of the space, is still one of the space; `path` names it in
/// errors.
Result<void> check_point(const Encoding& encoding, const Point& point, const std::string& path);

class Searcher {
 public:
  /// `picked`: what `auto` stands for; empty where the strategy has another name. `invalid` where
  /// strategy, parameters, metric and enqueued points do not go together.
  static Result<Searcher> make(const std::vector<Parameter>& parameters, const SweepSpec& sweep,
                               std::string_view picked);

  bool learns() const { return sampler_->is_adaptive(); }
  /// The point of a member that was born; where nothing is learned, of any.
  Result<Point> point(uint64_t trial);
  /// Whose checkpoint a member begins from; 0: nobody's.
  uint64_t copied_from(uint64_t trial) const;
  /// Members in all, as far as is known now.
  uint64_t size() const;

  struct Suggested {
    Point point;
    SearchEntry entry;
  };
  /// The point of the next member, which counts as running from now on. `exhausted` where there is
  /// no other.
  Result<Suggested> next(uint64_t trial);
  /// What next() would say, and nothing changes.
  Result<Point> peek(uint64_t trial);
  /// A member ended. Values are those of the objectives; without any it has none.
  SearchEntry end(uint64_t trial, SearchEntry::Outcome outcome, std::vector<double> values);

  /// None where nothing is stopped early.
  const EarlyStop* early_stop() const { return stopper_ ? &stopper_->rule() : nullptr; }
  /// A live member reached a value of the first objective at a resource. What has to be kept of it:
  /// nothing, the report, or the report and that it stops.
  std::vector<SearchEntry> report(uint64_t trial, double resource, double value);
  /// Live members that were stopped, and why.
  const std::map<uint64_t, std::string>& stopping() const { return stopping_; }
  /// Live members that wait for their turn, and why.
  const std::map<uint64_t, std::string>& paused() const { return paused_; }
  /// Whose turn it is when a place is free; none: a new member's.
  std::optional<uint64_t> promotable() const;
  SearchEntry promote(uint64_t trial);
  /// A member of another search and what became of it.
  SearchEntry tell(uint64_t trial, SearchEntry::Outcome outcome, std::vector<double> values,
                   Point point);
  /// An entry from the ledger, with the point of the member that it is about where that was born.
  void retell(const SearchEntry& entry, const Point& point);

  // What people do to a search that runs (search_changes.cpp).

  /// Whether these values can be changed to: `trials` and `early_stop` are looked at. null: none.
  Result<void> check_change(const ValueMap& changes) const;
  SearchEntry change(const ValueMap& changes, std::string note);
  /// Whether somebody's point is one of the space; where nothing is learned it names all
  /// parameters.
  Result<void> check_added(const Point& point, const std::string& path) const;
  /// The next members that are born try these, whatever the strategy would.
  SearchEntry add(Point point, std::string note);
  const std::deque<Point>& added() const { return added_; }
  /// A member is not to be made.
  SearchEntry skip(uint64_t trial, std::string note);
  const std::map<uint64_t, std::string>& skipped() const { return skipped_; }
  /// One that lives is in stopping() from now on.
  SearchEntry dismiss(uint64_t trial, std::string note);

  /// Of several objectives: members that none beats in all of them, lowest first.
  std::vector<uint32_t> front() const;

 private:
  Searcher(std::vector<Parameter> parameters, SweepSpec sweep, std::unique_ptr<Sampler> sampler);

  Result<void> check_enqueued();
  Result<std::unique_ptr<Stopper>> stopper_of(const Value& early_stop) const;
  Result<void> check_completion(const Point& given, const std::string& path) const;
  Result<Point> completed(uint64_t trial, const Point& given, std::string& how);
  Result<Point> proposed(uint64_t trial, std::string& how);
  Result<Point> copy(uint64_t trial, std::string& how);
  Result<void> need_encoding();
  void take_turn(uint64_t trial, const Point& point);
  bool is_enqueued(uint64_t trial) const { return learns() && trial <= sweep_.enqueue.size(); }
  SearchEntry told(SearchEntry entry);
  SearchEntry told_of(SearchEntry::Kind kind, uint64_t trial, std::string note);
  SweepSpec with_trials(const Value& trials) const;
  void apply_change(const ValueMap& changes);
  Verdict judge(uint64_t trial, double resource, double value);
  void widen_front(const SearchEntry& entry);

  std::vector<Parameter> parameters_;
  SweepSpec sweep_;
  std::vector<Metric> objectives_;
  std::unique_ptr<Sampler> sampler_;
  std::shared_ptr<const Encoding> encoding_;  // where points are enqueued
  std::deque<Point> added_;                   // by people, and not born yet
  uint64_t added_count_ = 0;                  // those that were born too
  std::map<uint64_t, Point> own_points_;      // of members that are not the strategy's
  std::map<uint64_t, std::string> skipped_;
  std::deque<uint64_t> donors_;  // of copies that are still to be made
  std::map<uint64_t, uint64_t> copied_from_;
  std::unique_ptr<Stopper> stopper_;
  std::map<uint64_t, std::string> stopping_;
  std::map<uint64_t, std::string> paused_;
  struct OnFront {
    uint32_t member;
    Candidate candidate;
  };
  std::vector<OnFront> front_;
};

}  // namespace troupe::hpo
