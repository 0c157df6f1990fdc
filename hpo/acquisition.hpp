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

/// The coordinates of a space that can vary, as the columns of a process.
class GpColumns {
 public:
  explicit GpColumns(const Encoding& encoding);  // must outlive this

  size_t size() const { return free_.size(); }
  const Coordinate& operator[](size_t column) const { return (*encoding_)[free_[column]]; }
  size_t axis(size_t column) const { return free_[column]; }
  bool is_category(size_t column) const;
  std::vector<bool> categories() const;

  Eigen::VectorXd row(const Positions& positions) const;
  Positions positions(const Eigen::VectorXd& row) const;
  /// The row of the value nearest to each number; a category's number is that of its choice.
  void snap(Eigen::VectorXd& row) const;
  /// A number in [0, 1] as an entry of a column, on a value.
  double entry(size_t column, double unit) const;

 private:
  const Encoding* encoding_;
  std::vector<size_t> free_;
};

class Acquisition {
 public:
  /// `bests` has the least value known for each column of the process.
  Acquisition(const Gp& process, Eigen::VectorXd bests);

  double at(const Eigen::VectorXd& row, Eigen::VectorXd* slope) const;
  Eigen::VectorXd at_all(const Eigen::MatrixXd& rows) const;

 private:
  const Gp* process_;
  Eigen::VectorXd bests_;
};

struct ClimbSettings {
  int starts = 10;
  int iterations = 50;
};

/// The rows where climbing from the best candidates ended, then the candidates, each on values, the
/// best first.
std::vector<Eigen::VectorXd> most_promising(const Acquisition& acquisition,
                                            const GpColumns& columns,
                                            const Eigen::MatrixXd& candidates,
                                            const ClimbSettings& settings);

}  // namespace troupe::hpo
