// Sobol points, scrambled or plain: evenly spread whatever prefix is taken, each computed by its
// index alone. Directions of Joe & Kuo 2008 (new-joe-kuo-6), as Boost has them; scrambled by a
// random linear matrix and a digital shift (Matousek 1998), which keeps the spread and makes the
// points unbiased. Immutable once made; any thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/sampler.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::hpo {

/// One axis of the sequence.
class SobolAxis {
 public:
  static constexpr unsigned bits = 52;
  using Directions = std::array<uint64_t, bits>;

  explicit SobolAxis(const Directions& directions) : directions_{directions} {}
  /// Another order of its points, keyed by seed and name.
  SobolAxis scrambled(uint64_t seed, uint64_t name) const;

  /// In [0, 1). Index 0 of a plain axis is 0. Only even numbers of points of a power of two are
  /// spread evenly. Indices below 2^52.
  double at(uint64_t index) const;

 private:
  Directions directions_;
  uint64_t shift_ = 0;
};

/// The axes of a sequence of so many dimensions, plain. `invalid` above sobol_dimensions_max.
Result<std::vector<SobolAxis>> sobol_axes(size_t dimensions);
inline constexpr size_t sobol_dimensions_max = 3667;

/// Trial k takes point k - 1 of the scrambled sequence. On a space that can be counted, a point
/// that came before is replaced by the next of the sequence that is new.
Result<std::unique_ptr<Sampler>> make_sobol_sampler(Space space, uint64_t seed,
                                                    std::optional<uint64_t> trials);

}  // namespace troupe::hpo
