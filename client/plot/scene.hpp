// A study with all that several plots of it need: a forest that was fitted to it, which parameters
// matter most, how each member stands. The study must outlive it. Pure.
#pragma once

#include "client/plot/study.hpp"
#include "hpo/forest.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::plot {

/// The first goal of a study as a forest sees it; of its logarithm where the axis of its values has
/// one.
class Model {
 public:
  static constexpr size_t rows_min = 5;  // of fewer it would say nothing

  explicit Model(const Study& study);

  /// Whether there was something to fit: enough members, of more than one value.
  bool usable() const { return forest_ != nullptr; }
  /// Of each axis of the study.
  const std::vector<hpo::Importance::Share>& shares() const { return shares_; }
  /// What only several parameters together explain.
  double together() const { return together_; }
  size_t rows() const { return rows_; }
  /// Values of the goal, at values of one axis or of two.
  std::vector<double> marginal(size_t axis, const std::vector<double>& at) const;
  std::vector<double> marginal(size_t first, const std::vector<double>& at_first, size_t second,
                               const std::vector<double>& at_second) const;

 private:
  std::vector<double> encoded(size_t axis, const std::vector<double>& at) const;
  std::vector<double> values_of(std::vector<double> fitted) const;

  const Study& study_;
  bool log_ = false;
  std::vector<size_t> feature_of_;  // by axis; SIZE_MAX: it does not vary
  std::unique_ptr<const hpo::Forest> forest_;
  std::vector<hpo::Importance::Share> shares_;
  double together_ = 0;
  size_t rows_ = 0;
};

struct Scene {
  /// `chosen`: the axes to show, in this order; empty: all that vary, the most important first.
  explicit Scene(const Study& of, std::vector<size_t> chosen = {});

  const Study& study;
  Model model;
  std::vector<size_t> ranked;
  std::vector<double> standing;
  std::vector<size_t> axes;
  /// Beyond so many members marks have no texts of their own, and are drawn many at a time.
  static constexpr size_t hover_max = 1000;

  bool hovers() const { return study.members.size() <= hover_max; }
  /// "42.7: accuracy 0.93, lr=0.01 hidden=64"; empty where there are too many.
  std::string hover(size_t member) const;
};

}  // namespace troupe::plot
