// Rungs: the resources at which successive halving compares trials, and the values that came to
// each. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe::hpo {

/// min, min eta, min eta^2, ... below max, and max.
std::vector<double> rungs_from(double min, double max, uint32_t eta);
/// `count` of them down from max, each the whole part of a share of it, at least 1.
std::vector<uint64_t> rungs_below(uint32_t count, uint64_t max, uint32_t eta);
/// How many trials Hyperband begins in each of its brackets, the most halving first: with K levels
/// and s = K-1..0 that is ceil(K / (s + 1) eta^s).
std::vector<uint64_t> hyperband_sizes(uint32_t levels, uint32_t eta);

/// The values that reached one rung, sorted.
class Rung {
 public:
  explicit Rung(double resource) : resource_{resource} {}

  struct Place {
    uint64_t rank = 0;   // from 0, before its equals
    uint64_t among = 0;  // so many have come, itself included
    uint64_t pass = 0;   // so many of the best go on
    double cut = 0;      // the worst value among these
  };
  /// Takes a value to minimise in; of `eta` one goes on, at least the best.
  Place add(double value, uint32_t eta);
  double resource() const { return resource_; }

 private:
  double resource_;
  std::vector<double> values_;
};

/// The rungs of one bracket, and how far each of its trials has come.
class RungLadder {
 public:
  RungLadder(const std::vector<double>& resources, uint32_t eta);

  struct Step {
    bool heard = false;   // it came to a rung: later trials are compared with it there
    bool stop = false;    // and is not among the best there
    double resource = 0;  // of that rung, where it stops
    Rung::Place place;    // on it
  };
  /// A trial that has passed `passed` rungs so far reports a value, to be minimised; that number
  /// grows. One report may pass several.
  Step climb(size_t& passed, double resource, double value);

 private:
  std::vector<Rung> rungs_;
  uint32_t eta_;
};

}  // namespace troupe::hpo
