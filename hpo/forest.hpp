// A random forest of regression trees (Breiman 2001) over a box, and what it says of the box's
// sides: how much of its variance each explains by itself (functional ANOVA: Hutter, Hoos,
// Leyton-Brown 2014), and its mean over all others. The same rows and seed give the same forest.
// Immutable once made; pure values.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace troupe::hpo {

/// One side of the box: numbers in [0, 1], or so many values without order, written 0, 1, 2, ...
struct Feature {
  uint32_t categories = 0;  // 0: numbers
};

struct ForestOptions {
  uint32_t trees = 64;       // of more than 32 features fewer, down to 16: bounds the time of a fit
  uint32_t leaf_min = 2;     // rows of a leaf, at least
  uint32_t rows_max = 1000;  // rows of a tree, drawn with replacement
  uint64_t seed = 0;
};

struct Importance {
  struct Share {
    double mean = 0;       // of the trees
    double deviation = 0;  // between them
  };
  std::vector<Share> shares;  // of the variance, for each feature by itself
  double rest = 0;            // what only several together explain
};

class Forest {
 public:
  /// `rows` has a number for each feature, row after row; `values` one for each row, all finite.
  Forest(std::vector<Feature> features, std::span<const double> rows,
         std::span<const double> values, const ForestOptions& options = {});

  /// The mean of the trees at a row with a number for each feature.
  double predict(std::span<const double> row) const;
  Importance importance() const;
  /// The mean over all other features, at each of these values of one; as long as `at`.
  std::vector<double> marginal(size_t feature, std::span<const double> at) const;
  /// Likewise of two: at_first.size() x at_second.size() means, those of `second` vary fastest.
  std::vector<double> marginal(size_t first, std::span<const double> at_first, size_t second,
                               std::span<const double> at_second) const;

 private:
  struct Node {
    double value = 0;
    double threshold = 0;   // numbers below it go left
    uint32_t feature = 0;   // of a leaf: no_feature
    uint32_t left = 0;      // the right one stands behind it
    uint32_t category = 0;  // where in sets_ the categories begin that go left
  };
  struct Tree {
    std::vector<Node> nodes;
    std::vector<bool> sets;
  };
  struct Box;
  struct Marginal;
  class Grower;
  static constexpr uint32_t no_feature = UINT32_MAX;

  static bool goes_left(const Feature& feature, const Tree& tree, const Node& node, double value);
  Box whole() const;
  template <class Visit>
  void visit_leaves(const Tree& tree, const Visit& visit) const;
  template <class Visit>
  void visit_below(const Tree& tree, uint32_t node, double volume, Box& box,
                   const Visit& visit) const;
  std::vector<double> shares_of(const Tree& tree) const;
  std::vector<Marginal> cuts_of(const Tree& tree) const;

  std::vector<Feature> features_;
  std::vector<Tree> trees_;
};

}  // namespace troupe::hpo
