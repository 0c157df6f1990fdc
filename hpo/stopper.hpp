// Rules that stop trials early: what a sweep's `early_stop` says, and the interface of the rules.
// A rule hears the reports of all trials in the order of the ledger, values to be minimised; the
// same reports in the same order give the same verdicts. Owned by the set's actor; one thread.
#pragma once

#include "hpo/observation.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::hpo {

/// `early_stop` as it is understood, with what was left out filled in.
struct EarlyStop {
  std::string algorithm;          // asha, hyperband, bohb, median, percentile, patience, pbt,
                                  // asha-promote
  std::string resource = "step";  // a metric that grows, or "step": that of each report
  double min = 1;                 // of the resource: before that nothing is stopped
  std::optional<double> max;      // what a trial reaches that is never stopped
  // asha, asha-promote, hyperband, bohb:
  uint32_t eta = 3;  // of so many at a rung one goes on
  // median, percentile:
  double percentile = 25;  // the best so many of a hundred go on; median: 50, whatever this is
  uint32_t start = 5;      // so many trials must have ended first
  // median, percentile, pbt:
  double interval = 1;  // of the resource, between two looks
  // patience:
  double patience = 10;  // of the resource, without a better value
  double delta = 0;      // by how much a value must be better to count so, in the metric's unit
  // pbt:
  double quantile = 0.25;  // the share of the worst that copies of the best replace
  double resample = 0.25;  // the probability that a parameter of a copy is drawn anew
};

/// `invalid` with the key that is wrong: unknown names, wrong kinds, a range the wrong way round.
Result<EarlyStop> read_early_stop(const Value& value);

/// What a rule says to a report.
struct Verdict {
  bool heard = false;  // it is part of what later verdicts depend on
  bool stop = false;
  std::string reason;                // of stopping: what was compared with what
  std::optional<uint64_t> copies{};  // a copy of this trial takes its place
  bool pause = false;                // it waits, and its place is free
};

class Stopper {
 public:
  explicit Stopper(EarlyStop rule) : rule_{std::move(rule)} {}
  virtual ~Stopper() = default;

  /// A trial reached a value at a resource. One that is not above its last is not heard; a value
  /// that is not finite is the worst there is.
  Verdict report(uint64_t trial, double resource, double value);
  /// It begins from the checkpoint of another.
  virtual void copied(uint64_t) {}
  /// Whose turn it is among those that wait; none: nobody's yet.
  virtual std::optional<uint64_t> promotable() const { return std::nullopt; }
  virtual void promote(uint64_t) {}
  /// It will not report again.
  void end(uint64_t trial, Outcome outcome);
  /// The resource that a live trial last reported at; 0 where it has not.
  double reached(uint64_t trial) const;

  const EarlyStop& rule() const { return rule_; }

 protected:
  virtual Verdict judge(uint64_t trial, double resource, double value) = 0;
  virtual void ended(uint64_t, Outcome) {}
  /// "0.5 at epoch 3".
  std::string at(double resource, double value) const;
  /// A value as people know it.
  std::string shown(double value) const;

 private:
  friend Result<std::unique_ptr<Stopper>> make_stopper(EarlyStop, bool, uint64_t);

  EarlyStop rule_;
  bool maximize_ = false;
  std::unordered_map<uint64_t, double> reached_;  // of trials that live
};

/// `maximize`: values are shown the other way round in reasons. `seed`: for what is drawn.
Result<std::unique_ptr<Stopper>> make_stopper(EarlyStop rule, bool maximize, uint64_t seed);

}  // namespace troupe::hpo
