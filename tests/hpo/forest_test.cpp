#include "hpo/forest.hpp"

#include "hpo/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

namespace troupe::hpo {
namespace {

struct Sample {
  std::vector<double> rows, values;
};

Sample sample_of(const std::vector<Feature>& features, size_t count,
                 const std::function<double(const double*)>& function) {
  Sample sample;
  for (size_t i = 0; i < count; ++i) {
    Draws draws{5, i, name_hash("row")};
    for (const auto& feature : features)
      sample.rows.push_back(feature.categories == 0
                                ? draws.uniform()
                                : static_cast<double>(draws.below(feature.categories)));
    sample.values.push_back(function(&sample.rows[i * features.size()]));
  }
  return sample;
}

TEST(Forest, SharesOfASumAreThoseOfItsVariances) {
  // Var(a x) = a^2 / 12, and nothing is left for two together.
  std::vector<Feature> features(3);
  auto sample = sample_of(features, 1000, [](const double* x) { return 10 * x[0] + 5 * x[1]; });
  Forest forest{features, sample.rows, sample.values};
  auto importance = forest.importance();
  EXPECT_NEAR(importance.shares[0].mean, 0.8, 0.03);
  EXPECT_NEAR(importance.shares[1].mean, 0.2, 0.03);
  EXPECT_LT(importance.shares[2].mean, 0.01);
  EXPECT_LT(importance.rest, 0.03);
}

TEST(Forest, AFeatureThatOnlyMakesNoiseIsWorthLittle) {
  std::vector<Feature> features(2);
  auto sample = sample_of(features, 500, [](const double* x) {
    return 10 * x[0] + std::sin(1e4 * x[1]);  // of which no neighbour knows
  });
  auto importance = Forest{features, sample.rows, sample.values}.importance();
  EXPECT_GT(importance.shares[0].mean, 0.9);
  EXPECT_LT(importance.shares[1].mean, 0.02);
}

TEST(Forest, AProductIsForBothTogether) {
  // (x - 1/2)(y - 1/2) has no variance by one alone.
  std::vector<Feature> features(2);
  auto sample =
      sample_of(features, 1000, [](const double* x) { return (x[0] - 0.5) * (x[1] - 0.5); });
  auto importance = Forest{features, sample.rows, sample.values}.importance();
  EXPECT_GT(importance.rest, 0.85);
  EXPECT_LT(importance.shares[0].mean, 0.1);
}

TEST(Forest, CategoriesCountEvenly) {
  // 0, 3, 0, 3 by category has the variance 2.25; 6 x has 3.
  std::vector<Feature> features{{4}, {0}};
  auto sample = sample_of(features, 1000, [](const double* x) {
    return (static_cast<int>(x[0]) % 2 == 1 ? 3.0 : 0.0) + 6 * x[1];
  });
  Forest forest{features, sample.rows, sample.values};
  auto importance = forest.importance();
  EXPECT_NEAR(importance.shares[0].mean, 2.25 / 5.25, 0.03);
  EXPECT_NEAR(importance.shares[1].mean, 3 / 5.25, 0.03);
  std::vector<double> all{0, 1, 2, 3};
  auto means = forest.marginal(0, all);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(means[i], i % 2 == 1 ? 6 : 3, 0.3) << i;
}

TEST(Forest, MarginalsAreMeansOfPredictions) {
  std::vector<Feature> features{{0}, {3}, {0}};
  auto sample = sample_of(features, 300, [](const double* x) { return x[0] * x[2] + x[1]; });
  ForestOptions options;
  options.trees = 8;
  Forest forest{features, sample.rows, sample.values, options};
  std::vector<double> at{0.1, 0.9}, categories{0, 1, 2};
  auto both = forest.marginal(0, at, 1, categories);
  auto one = forest.marginal(0, at);
  for (size_t i = 0; i < at.size(); ++i) {
    double over = 0;
    for (size_t c = 0; c < 3; ++c) {
      double mean = 0;
      constexpr int steps = 4000;
      for (int k = 0; k < steps; ++k) {
        std::vector<double> row{at[i], categories[c], (k + 0.5) / steps};
        mean += forest.predict(row) / steps;
      }
      EXPECT_NEAR(both[i * 3 + c], mean, 1e-3);
      over += both[i * 3 + c] / 3;
    }
    EXPECT_NEAR(one[i], over, 1e-9);
  }
}

TEST(Forest, FindsTheOneThatMattersAmongMany) {
  std::vector<Feature> features(200);
  auto sample = sample_of(features, 400, [](const double* x) { return 3 * x[77]; });
  auto importance = Forest{features, sample.rows, sample.values}.importance();
  EXPECT_GT(importance.shares[77].mean, 0.9);
}

TEST(Forest, PredictsWhatItSawAndIsTheSameForASeed) {
  std::vector<Feature> features(2);
  auto sample = sample_of(features, 400, [](const double* x) { return 3 * x[0] - x[1]; });
  Forest forest{features, sample.rows, sample.values}, again{features, sample.rows, sample.values};
  ForestOptions other;
  other.seed = 1;
  Forest different{features, sample.rows, sample.values, other};
  std::vector<double> row{0.3, 0.8};
  EXPECT_NEAR(forest.predict(row), 0.1, 0.2);
  EXPECT_EQ(forest.predict(row), again.predict(row));
  EXPECT_NE(forest.predict(row), different.predict(row));
  EXPECT_EQ(forest.importance().shares[0].mean, again.importance().shares[0].mean);
}

TEST(Forest, WithoutVarianceNothingMatters) {
  std::vector<double> rows{0.1, 0.2, 0.3, 0.4}, values{1, 1, 1, 1}, at{0.5};
  Forest flat{{Feature{}}, rows, values};
  EXPECT_EQ(flat.importance().shares[0].mean, 0);
  EXPECT_EQ(flat.importance().rest, 0);
  EXPECT_NEAR(flat.marginal(0, at)[0], 1, 1e-12);
  // Of more rows than a tree takes.
  std::vector<Feature> features(1);
  auto sample = sample_of(features, 5000, [](const double* x) { return x[0]; });
  EXPECT_NEAR((Forest{features, sample.rows, sample.values}.importance().shares[0].mean), 1, 1e-9);
}

}  // namespace
}  // namespace troupe::hpo
