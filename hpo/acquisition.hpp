// Where a Gaussian process promises most: log expected improvement over a box with real, whole and
// categorical coordinates, averaged over fantasies of what runs. Screens candidates, then climbs
// from the best: by L-BFGS along numbers, value by value along the rest. One thread.
#pragma once

#include "hpo/encoding.hpp"
#include "hpo/gp.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace troupe::hpo {

/// The coordinates of a space that can vary, as the columns of a process. A row has size() entries:
/// numbers in [0, 1], and of a category the number of its choice.
class GpColumns {
 public:
  explicit GpColumns(const Encoding& encoding);  // must outlive this

  size_t size() const { return free_.size(); }
  const Coordinate& operator[](size_t column) const { return (*encoding_)[free_[column]]; }
  /// Which axis of the encoding a column is.
  size_t axis(size_t column) const { return free_[column]; }
  bool is_category(size_t column) const;
  /// is_category() of all columns.
  std::vector<bool> categories() const;

  Eigen::VectorXd row(const Positions& positions) const;
  /// Over all axes of the encoding; those that cannot vary are at 0.
  Positions positions(const Eigen::VectorXd& row) const;
  /// Moves whole coordinates to the nearest of their values.
  void snap(Eigen::VectorXd& row) const;
  /// A number in [0, 1] as an entry of a column, on a value.
  double entry(size_t column, double unit) const;

 private:
  const Encoding* encoding_;
  std::vector<size_t> free_;
};

/// Log expected improvement: the logarithm of its mean over the fantasies.
class Acquisition {
 public:
  /// Each column of the process's values is a fantasy; `bests` has the least value of each. The
  /// process must outlive this.
  Acquisition(const Gp& process, Eigen::VectorXd bests);

  /// `slope` is given the gradient, as long as the row, 0 along categories; null: not wanted.
  double at(const Eigen::VectorXd& row, Eigen::VectorXd* slope) const;
  /// Of each row of a matrix.
  Eigen::VectorXd at_all(const Eigen::MatrixXd& rows) const;

 private:
  const Gp* process_;
  Eigen::VectorXd bests_;
};

struct ClimbSettings {
  int starts = 10;      // climbs, from as many of the best candidates
  int iterations = 50;  // of L-BFGS, at most, each time that a climb goes along numbers
};

/// The rows where climbing from the best candidates ended, then the candidates, both best first and
/// on values of the space. `candidates` has a row each, on values.
std::vector<Eigen::VectorXd> most_promising(const Acquisition& acquisition,
                                            const GpColumns& columns,
                                            const Eigen::MatrixXd& candidates,
                                            const ClimbSettings& settings);

}  // namespace troupe::hpo
