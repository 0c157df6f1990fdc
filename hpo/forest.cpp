#include "hpo/forest.hpp"

#include "hpo/random.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace troupe::hpo {

/// What of each feature leads to a node.
struct Forest::Box {
  std::vector<std::pair<double, double>> ranges;  // from, to
  std::vector<std::vector<bool>> sets;            // of categories; empty for numbers

  /// Which part of the feature that is.
  double part(size_t feature) const {
    if (sets[feature].empty()) return ranges[feature].second - ranges[feature].first;
    auto inside = std::count(sets[feature].begin(), sets[feature].end(), true);
    return static_cast<double>(inside) / static_cast<double>(sets[feature].size());
  }
  bool holds(size_t feature, double value) const {
    if (!sets[feature].empty()) return sets[feature][static_cast<size_t>(value)];
    return value >= ranges[feature].first &&
           (value < ranges[feature].second || ranges[feature].second == 1);
  }
};

/// One tree on its way: splits rows until leaves are small or even.
class Forest::Grower {
 public:
  Grower(const std::vector<Feature>& features, std::span<const double> rows,
         std::span<const double> values, const ForestOptions& options, uint64_t number)
      : features_{features},
        rows_{rows},
        values_{values},
        options_{options},
        draws_{options.seed, number, name_hash("forest")},
        candidates_(features.size()) {
    std::iota(candidates_.begin(), candidates_.end(), 0U);
    auto count = std::min<size_t>(values.size(), options.rows_max);
    for (size_t i = 0; i < count; ++i) chosen_.push_back(draws_.below(values.size()));
  }

  Tree grow() {
    tree_.nodes.emplace_back();
    struct Part {
      uint32_t node;
      size_t from, to;
    };
    std::vector<Part> open{{0, 0, chosen_.size()}};
    while (!open.empty()) {
      auto part = open.back();
      open.pop_back();
      auto rows = std::span{chosen_}.subspan(part.from, part.to - part.from);
      auto split = best_split(rows);
      auto& node = tree_.nodes[part.node];
      node.value = mean(rows);
      node.feature = split.feature;
      if (split.feature == no_feature) continue;
      node.threshold = split.threshold;
      node.left = static_cast<uint32_t>(tree_.nodes.size());
      node.category = static_cast<uint32_t>(tree_.sets.size());
      tree_.sets.insert(tree_.sets.end(), split.left.begin(), split.left.end());
      auto copy = node;
      auto middle = std::partition(rows.begin(), rows.end(), [&](size_t row) {
        return goes_left(features_[copy.feature], tree_, copy, at(row, copy.feature));
      });
      auto cut = part.from + static_cast<size_t>(middle - rows.begin());
      tree_.nodes.resize(tree_.nodes.size() + 2);
      open.push_back({copy.left, part.from, cut});
      open.push_back({copy.left + 1, cut, part.to});
    }
    return std::move(tree_);
  }

 private:
  struct Split {
    double gain = 0;
    uint32_t feature = no_feature;
    double threshold = 0;
    std::vector<bool> left;  // categories
  };
  struct Group {  // rows that no split of a feature parts
    double key = 0, sum = 0;
    size_t count = 0;
  };

  double at(size_t row, size_t feature) const { return rows_[row * features_.size() + feature]; }

  double mean(std::span<const size_t> rows) const {
    double sum = 0;
    for (auto row : rows) sum += values_[row];
    return sum / static_cast<double>(rows.size());
  }

  Split best_split(std::span<const size_t> rows) {
    Split best;
    if (rows.size() < 2 * size_t{options_.leaf_min}) return best;
    // Of three quarters: with all of them the strongest would hide the others where there are few
    // rows. Where none of those parts the rows, more are tried.
    auto tries = (3 * features_.size() + 3) / 4;
    for (size_t i = 0; i < features_.size() && (i < tries || best.feature == no_feature); ++i) {
      std::swap(candidates_[i], candidates_[i + draws_.below(features_.size() - i)]);
      try_feature(rows, candidates_[i], best);
    }
    return best;
  }

  /// Groups in the order in which the feature is split: numbers by size, categories by their mean,
  /// which has the best of all partitions among its cuts (Breiman 1984).
  std::vector<Group>& grouped(std::span<const size_t> rows, uint32_t feature) {
    sorted_.clear();
    for (auto row : rows) sorted_.push_back({at(row, feature), values_[row], 1});
    auto by_key = [](const Group& a, const Group& b) { return a.key < b.key; };
    std::sort(sorted_.begin(), sorted_.end(), by_key);
    size_t end = 0;
    for (size_t i = 0; i < sorted_.size(); ++i) {
      if (end > 0 && sorted_[end - 1].key == sorted_[i].key) {
        sorted_[end - 1].sum += sorted_[i].sum;
        ++sorted_[end - 1].count;
      } else {
        sorted_[end++] = sorted_[i];
      }
    }
    sorted_.resize(end);
    auto mean_of = [](const Group& group) { return group.sum / static_cast<double>(group.count); };
    if (features_[feature].categories != 0)
      std::stable_sort(sorted_.begin(), sorted_.end(),
                       [&](const Group& a, const Group& b) { return mean_of(a) < mean_of(b); });
    return sorted_;
  }

  /// The reduction of the squared error, up to a constant of the node, as in CART.
  void try_feature(std::span<const size_t> rows, uint32_t feature, Split& best) {
    const auto& groups = grouped(rows, feature);
    double sum = 0, left_sum = 0;
    for (const auto& group : groups) sum += group.sum;
    auto count = static_cast<double>(rows.size());
    size_t left = 0, found = groups.size();
    for (size_t i = 0; i + 1 < groups.size(); ++i) {
      left += groups[i].count;
      left_sum += groups[i].sum;
      if (left < options_.leaf_min || rows.size() - left < options_.leaf_min) continue;
      auto n = static_cast<double>(left);
      auto difference = left_sum / n - (sum - left_sum) / (count - n);
      auto gain = n * (count - n) / count * difference * difference;
      if (gain <= best.gain * (1 + 1e-12)) continue;
      best.gain = gain;
      found = i;
    }
    if (found == groups.size()) return;
    best.feature = feature;
    best.left.clear();
    if (features_[feature].categories == 0) {
      best.threshold = (groups[found].key + groups[found + 1].key) / 2;
      if (best.threshold <= groups[found].key) best.threshold = groups[found + 1].key;
      return;
    }
    best.left.resize(features_[feature].categories);
    for (size_t i = 0; i <= found; ++i) best.left[static_cast<size_t>(groups[i].key)] = true;
  }

  const std::vector<Feature>& features_;
  std::span<const double> rows_, values_;
  const ForestOptions& options_;
  Draws draws_;
  std::vector<uint32_t> candidates_;
  std::vector<size_t> chosen_;
  std::vector<Group> sorted_;
  Tree tree_;
};

Forest::Forest(std::vector<Feature> features, std::span<const double> rows,
               std::span<const double> values, const ForestOptions& options)
    : features_{std::move(features)} {
  constexpr size_t features_many = 32, trees_min = 16;
  size_t trees = options.trees;
  if (features_.size() > features_many)
    trees = std::min(trees, std::max(trees_min, trees * features_many / features_.size()));
  for (uint32_t i = 0; i < trees && !values.empty(); ++i)
    trees_.push_back(Grower{features_, rows, values, options, i}.grow());
}

bool Forest::goes_left(const Feature& feature, const Tree& tree, const Node& node, double value) {
  if (feature.categories == 0) return value < node.threshold;
  return tree.sets[node.category + static_cast<size_t>(value)];
}

double Forest::predict(std::span<const double> row) const {
  double sum = 0;
  for (const auto& tree : trees_) {
    const auto* node = &tree.nodes.front();
    while (node->feature != no_feature) {
      bool left = goes_left(features_[node->feature], tree, *node, row[node->feature]);
      node = &tree.nodes[node->left + (left ? 0 : 1)];
    }
    sum += node->value;
  }
  return sum / static_cast<double>(trees_.size());
}

Forest::Box Forest::whole() const {
  Box box;
  for (const auto& feature : features_) {
    box.ranges.emplace_back(0, 1);
    box.sets.emplace_back(feature.categories, true);
  }
  return box;
}

/// Calls it with the value of each leaf, its part of the whole box, and where it lies.
template <class Visit>
void Forest::visit_leaves(const Tree& tree, const Visit& visit) const {
  auto box = whole();
  visit_below(tree, 0, 1, box, visit);
}

template <class Visit>
void Forest::visit_below(const Tree& tree, uint32_t at, double volume, Box& box,
                         const Visit& visit) const {
  const auto& node = tree.nodes[at];
  if (node.feature == no_feature) {
    visit(node.value, volume, box);
    return;
  }
  auto& range = box.ranges[node.feature];
  auto& set = box.sets[node.feature];
  auto range_before = range;
  auto set_before = set;
  auto others = volume / box.part(node.feature);
  for (bool left : {true, false}) {
    if (set.empty())
      (left ? range.second : range.first) = node.threshold;
    else
      for (size_t i = 0; i < set.size(); ++i)
        set[i] = set_before[i] && tree.sets[node.category + i] == left;
    visit_below(tree, node.left + (left ? 0 : 1), others * box.part(node.feature), box, visit);
    range = range_before;
    set = set_before;
  }
}

/// The mean over all other features, which is constant between the cuts of one, as changes at
/// these.
struct Forest::Marginal {
  std::vector<double>
      cuts;  // of the feature in [0, 1], ends included; a category each has its part
  std::vector<double> changes;  // from each cut on

  void add(const Box& leaf, size_t feature, double weight) {
    if (const auto& set = leaf.sets[feature]; !set.empty()) {
      for (size_t i = 0; i < set.size(); ++i)
        if (set[i]) {
          changes[i] += weight;
          changes[i + 1] -= weight;
        }
      return;
    }
    auto place = [&](double cut) {
      return static_cast<size_t>(std::lower_bound(cuts.begin(), cuts.end(), cut) - cuts.begin());
    };
    changes[place(leaf.ranges[feature].first)] += weight;
    changes[place(leaf.ranges[feature].second)] -= weight;
  }
  double variance(double mean) const {
    double variance = 0, here = 0;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      here += changes[i];
      variance += (cuts[i + 1] - cuts[i]) * (here - mean) * (here - mean);
    }
    return variance;
  }
};

/// Of each feature; without cuts where the tree does not ask for it.
std::vector<Forest::Marginal> Forest::cuts_of(const Tree& tree) const {
  std::vector<Marginal> marginals(features_.size());
  for (const auto& node : tree.nodes) {
    if (node.feature == no_feature) continue;
    auto& cuts = marginals[node.feature].cuts;
    auto categories = features_[node.feature].categories;
    if (categories == 0)
      cuts.push_back(node.threshold);
    else if (cuts.empty())
      for (size_t i = 0; i <= categories; ++i)
        cuts.push_back(static_cast<double>(i) / static_cast<double>(categories));
  }
  for (size_t i = 0; i < features_.size(); ++i) {
    auto& cuts = marginals[i].cuts;
    if (cuts.empty()) continue;
    if (features_[i].categories == 0) cuts.insert(cuts.end(), {0, 1});
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    marginals[i].changes.resize(cuts.size());
  }
  return marginals;
}

/// Of each feature, and in the end of all; empty where the tree is constant.
std::vector<double> Forest::shares_of(const Tree& tree) const {
  auto marginals = cuts_of(tree);
  auto middle = tree.nodes.front().value;  // so that little is lost by subtracting
  double mean = 0, squares = 0;
  visit_leaves(tree, [&](double value, double volume, const Box& leaf) {
    value -= middle;
    mean += value * volume;
    squares += value * value * volume;
    for (size_t i = 0; i < features_.size(); ++i)
      if (!marginals[i].cuts.empty()) marginals[i].add(leaf, i, value * volume / leaf.part(i));
  });
  auto total = squares - mean * mean;
  std::vector<double> shares;
  if (!(total > 0)) return shares;
  double sum = 0;
  for (const auto& marginal : marginals) {
    shares.push_back(marginal.cuts.empty() ? 0 : marginal.variance(mean) / total);
    sum += shares.back();
  }
  shares.push_back(std::min(1.0, sum));
  return shares;
}

Importance Forest::importance() const {
  std::vector<std::vector<double>> all;
  for (const auto& tree : trees_)
    if (auto shares = shares_of(tree); !shares.empty()) all.push_back(std::move(shares));
  Importance importance;
  importance.shares.resize(features_.size());
  if (all.empty()) return importance;
  auto count = static_cast<double>(all.size());
  for (size_t i = 0; i < features_.size(); ++i) {
    auto& share = importance.shares[i];
    for (const auto& shares : all) share.mean += shares[i] / count;
    double squares = 0;
    for (const auto& shares : all)
      squares += (shares[i] - share.mean) * (shares[i] - share.mean) / count;
    share.deviation = std::sqrt(squares);
  }
  for (const auto& shares : all) importance.rest += (1 - shares.back()) / count;
  return importance;
}

std::vector<double> Forest::marginal(size_t feature, std::span<const double> at) const {
  std::vector<double> means(at.size());
  for (const auto& tree : trees_)
    visit_leaves(tree, [&](double value, double volume, const Box& leaf) {
      auto weight = value * volume / leaf.part(feature) / static_cast<double>(trees_.size());
      for (size_t i = 0; i < at.size(); ++i)
        if (leaf.holds(feature, at[i])) means[i] += weight;
    });
  return means;
}

std::vector<double> Forest::marginal(size_t first, std::span<const double> at_first, size_t second,
                                     std::span<const double> at_second) const {
  std::vector<double> means(at_first.size() * at_second.size());
  for (const auto& tree : trees_)
    visit_leaves(tree, [&](double value, double volume, const Box& leaf) {
      auto weight = value * volume / leaf.part(first) / leaf.part(second) /
                    static_cast<double>(trees_.size());
      for (size_t i = 0; i < at_first.size(); ++i) {
        if (!leaf.holds(first, at_first[i])) continue;
        for (size_t j = 0; j < at_second.size(); ++j)
          if (leaf.holds(second, at_second[j])) means[i * at_second.size() + j] += weight;
      }
    });
  return means;
}

}  // namespace troupe::hpo
