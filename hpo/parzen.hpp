// A Parzen estimator: the density of a group of observed points as a mixture of one kernel for each
// and one of the prior, over one axis or jointly over several. The rules of Optuna's TPE (Bergstra
// 2011; Watanabe arXiv:2304.11127), with the truncated normals normalised. Immutable once made;
// pure values.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/random.hpp"

#include <cstdint>
#include <vector>

namespace troupe::hpo {

/// How wide the kernels are.
enum class Bandwidth : uint8_t {
  neighbours,  // the larger distance to the neighbouring observations, for each by itself
  scott,       // one for all, falling with the number of observations and their dimension
};

/// Weights of observations in the order of trials: the newest 25 count fully, the older ones less
/// the older they are.
std::vector<double> parzen_weights(size_t observations);

/// The kernels of one axis; the last is the prior's.
struct ParzenAxis {
  const Coordinate* coordinate = nullptr;
  // Where it is numeric, of each kernel:
  std::vector<double> means, sigmas;  // of the normal, as positions
  std::vector<double> scales;         // 1 / sigmas
  std::vector<double> log_inside;     // the logarithm of its mass between the ends of the axis
  // Where values have mass, kernels that are equal are computed once:
  std::vector<uint32_t> group;  // of each kernel
  std::vector<uint32_t> first;  // a kernel of each group
  // Where it is categorical: the observed choice, -1 for the prior's.
  std::vector<double> choices;
};

class Parzen {
 public:
  /// `observations` holds positions over all of `encoding`; the estimator is over `axes` of them.
  /// Both must outlive it.
  Parzen(const Encoding& encoding, std::vector<size_t> axes,
         const std::vector<const Positions*>& observations, Bandwidth bandwidth);

  /// Draws a point; writes its axes into `positions`, on values of the space.
  void sample(Draws& draws, Positions& positions) const;
  /// The logarithm of density (or mass) at the estimator's axes of a point on values.
  double log_density(const Positions& positions) const;

  const std::vector<double>& weights() const { return weights_; }
  const ParzenAxis& axis(size_t place) const { return kernels_[place]; }
  /// The chances of each choice in one kernel of a categorical axis.
  double choice_chance(size_t place, size_t kernel, double choice) const;

 private:
  void add_axis(const Coordinate& coordinate, const std::vector<const Positions*>& observations,
                size_t axis, Bandwidth bandwidth);
  void finish_numeric(ParzenAxis& kernels);
  double log_mass(const ParzenAxis& kernels, size_t kernel, double position) const;

  std::vector<size_t> axes_;
  std::vector<ParzenAxis> kernels_;
  std::vector<double> weights_, cumulated_;
  std::vector<double> log_base_;  // of each kernel, all that does not depend on the point
};

}  // namespace troupe::hpo
