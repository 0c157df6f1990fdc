// A study: what the reports of a sweep's members add up to. Keeps the best, counts the ends, and
// says when the set should stop and how it ended. The same reports in the same order give the same
// decisions. Owned by the set's actor; pure, one thread.
#pragma once

#include "hpo/expression.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"
#include "runtime/core/state.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace troupe::hpo {

/// All of a study that must be kept; the spec gives the rest. Ended members are counted once each,
/// by the caller's care: one report with a terminal state per member.
struct StudyState {
  uint64_t size = 0;
  uint64_t finished = 0;
  uint64_t failed = 0;
  uint64_t killed = 0;  // skipped ones too
  std::optional<uint32_t> best_member;
  double best_value = 0;
  std::string stop_reason;       // empty: goes on. Once set it stays.
  bool failures_passed = false;  // it stopped because of max_failures
  bool operator==(const StudyState&) const = default;
};

struct Decision {
  bool stop = false;      // start no more members
  bool kill = false;      // and kill those that run (on_stop: kill; always after max_failures)
  bool new_best = false;  // the report changed the best
  std::string reason;     // of stopping, in words
};

class Study {
 public:
  /// `invalid` where stop_when cannot be read.
  static Result<Study> make(const SweepSpec& sweep, uint64_t size);
  /// From what was kept.
  static Result<Study> restore(const SweepSpec& sweep, StudyState state);

  /// A member's state or metrics changed. The decision holds for the whole study, so it says stop
  /// again at every later report.
  Decision report(uint32_t member, State state, const std::map<std::string, double>& metrics);
  Decision decision() const;

  /// Whether every member has ended.
  bool all_ended() const;
  /// How the set ends once nothing of it lives: FAILED only if every member failed or max_failures
  /// was passed; KILLED where somebody killed the set; else FINISHED.
  State final_state(bool set_was_killed) const;
  /// Why, in words: "12 finished, 1 failed", and which of the wished metrics nobody reported.
  std::string summary() const;

  /// There will be so many members: the space has no other point, or somebody wants more or fewer.
  void resize(uint64_t size) { state_.size = size; }
  /// There is no point for another, and why: a set that has none at all has failed.
  void no_more(uint64_t size, std::string why);
  /// Another condition to stop on; empty: none. `invalid` where it cannot be read.
  Result<void> set_stop_when(const std::string& text);
  /// The set ends for this reason. The first reason stays.
  void stop(const std::string& reason);

  const StudyState& state() const { return state_; }

 private:
  explicit Study(SweepSpec sweep) : sweep_{std::move(sweep)} {}

  bool take_value(uint32_t member, const std::map<std::string, double>& metrics);
  void check_stop(uint32_t member, const std::map<std::string, double>& metrics);

  SweepSpec sweep_;
  std::optional<Expression> stop_when_;
  std::set<std::string> never_reported_;  // of the names in stop_when
  std::string no_more_;                   // why its members are fewer than were wanted
  StudyState state_;
};

}  // namespace troupe::hpo
