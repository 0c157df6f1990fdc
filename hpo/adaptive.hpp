// The common part of samplers that learn: what they were told, points that are not given twice, and
// the promise that a suggestion depends on the spec, the seed, the trial's number and the
// observations in their order, on nothing else. Each strategy adds how it proposes. Owned by the
// set's actor; one thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/ledger.hpp"
#include "hpo/random.hpp"
#include "hpo/sampler.hpp"

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

namespace troupe::hpo {

/// Settings that all strategies share.
struct SearchSettings {
  uint64_t seed = 0;
  std::optional<uint64_t> trials;    // none: no end of its own
  std::vector<bool> maximize{true};  // one per objective
  uint64_t parallel = 1;             // how many trials run at a time, about
  bool refuse_duplicates = true;     // no point twice; certain where points can be counted
};

class AdaptiveSampler : public Sampler {
 public:
  AdaptiveSampler(Space space, SearchSettings settings);

  std::optional<uint64_t> size() const final;
  void set_trials(uint64_t trials) final { settings_.trials = trials; }
  bool is_adaptive() const final { return true; }
  /// The point of a trial that was observed, or a new one. `exhausted` where every point of the
  /// space was tried. Must be followed by observe() of it as running before the next is asked for.
  Result<Point> suggest(uint64_t trial) final;
  Result<Point> complete(uint64_t trial, const Point& given) final;
  bool can_complete(const Point& given) const final;
  void observe(const Observation& observation) final;
  std::string explain(uint64_t trial) const final;

 protected:
  /// Positions for a trial; need not be on values. Asked again with the next attempt where the
  /// point was tried already. Changes nothing that a later proposal depends on.
  virtual Positions propose(uint64_t trial, uint64_t attempt) = 0;
  /// How the next proposal for a trial comes about, in words.
  virtual std::string method(uint64_t trial) const = 0;
  /// A trial was observed; ledger() has it.
  virtual void learn(const Trial& trial) = 0;

  const Encoding& encoding() const { return encoding_; }
  const SearchSettings& settings() const { return settings_; }
  const TrialLedger& ledger() const { return ledger_; }
  /// The numbers of one parameter, or any other purpose with a name, in one trial and attempt.
  Draws draws(uint64_t trial, uint64_t attempt, uint64_t name) const;
  /// Independent and uniform along each coordinate.
  Positions uniform(uint64_t trial, uint64_t attempt) const;
  /// Whether the point at these positions must not come: it was tried already, or breaks a
  /// constraint.
  bool is_used(const Positions& positions) const;

 private:
  std::optional<Positions> unused();
  std::optional<Positions> drawn(uint64_t trial) const;
  std::optional<Positions> drawn_with(uint64_t trial, const Point& given) const;
  Positions with(Positions positions, const Point& given) const;
  uint64_t key(const Positions& positions) const;

  Encoding encoding_;
  SearchSettings settings_;
  TrialLedger ledger_;
  std::unordered_set<uint64_t> used_;
  std::optional<Permutation> order_;
  uint64_t next_in_order_ = 0;
};

}  // namespace troupe::hpo
