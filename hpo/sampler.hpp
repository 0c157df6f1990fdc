// Samplers say which point each member of a sweep tries. Owned by the set's actor; one thread.
#pragma once

#include "hpo/observation.hpp"
#include "hpo/space.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::hpo {

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Members in all; none where only the spec's `trials` could end it and it has none.
  virtual std::optional<uint64_t> size() const = 0;
  /// The point of a member, counted from 1: always the same for the same spec and seed, in whatever
  /// order it is asked. `invalid` outside 1..size().
  virtual Result<Point> suggest(uint64_t trial) = 0;
  /// Whether points depend on what was observed. Then `suggest` gives the same point for the same
  /// spec, seed, number and observations in their order, and a point can be `exhausted`.
  virtual bool is_adaptive() const { return false; }
  /// What the next suggestion for a trial is made from, in words.
  virtual std::string explain(uint64_t) const { return ""; }
  /// Another number of trials from now on, where points depend on what was observed.
  virtual void set_trials(uint64_t) {}
  /// A new point with these values, where points depend on what was observed: what they leave open
  /// the strategy adds, else chance. `exhausted` where each breaks a constraint or was tried.
  virtual Result<Point> complete(uint64_t trial, const Point& given);
  /// Whether chance finds such a point.
  virtual bool can_complete(const Point&) const { return true; }
  /// What became of a trial, in the order of the ledger; also of trials that were not suggested.
  virtual void observe(const Observation&) {}
};

/// `sweep.seed` must be set for random. `invalid` where strategy and parameters do not go together.
Result<std::unique_ptr<Sampler>> make_sampler(const std::vector<Parameter>& parameters,
                                              const SweepSpec& sweep);

/// How many members the set will have; `invalid` for none, for an endless one and above
/// limits::set_members_max.
Result<uint64_t> set_size(const std::vector<Parameter>& parameters, const SweepSpec& sweep);

}  // namespace troupe::hpo
