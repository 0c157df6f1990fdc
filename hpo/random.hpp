// Counter-based random numbers: a value depends on (seed, parameter, trial, draw) and on nothing
// else, so it is the same whatever the order or the number of workers. Philox4x32-10 of Salmon,
// Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Pure values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace troupe::hpo {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key);

/// A name as a number; FNV-1a, fixed for ever because recorded searches depend on it.
uint64_t name_hash(std::string_view name);

/// The draws of one parameter in one trial, one after the other.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t trial, uint64_t name);
  uint64_t bits();
  /// In [0, 1), 53 random bits.
  double uniform();
  /// In [0, n), every number with the same chance; 0 stands for 2^64.
  uint64_t below(uint64_t n);

 private:
  PhiloxKey key_;
  uint64_t trial_;
  uint64_t draw_ = 0;
};

/// A seeded order of 0..size-1 without a table: a Feistel network on the next even power of two,
/// walked along its cycle until it lands inside (less than four steps on average).
class Permutation {
 public:
  Permutation(uint64_t seed, uint64_t size);
  uint64_t operator()(uint64_t index) const;
  uint64_t size() const { return size_; }

 private:
  PhiloxKey key_;
  uint64_t size_;
  unsigned half_bits_ = 1;
};

}  // namespace troupe::hpo
