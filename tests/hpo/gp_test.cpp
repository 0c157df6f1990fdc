#include "hpo/gp.hpp"

#include "hpo/acquisition.hpp"
#include "hpo/gp_sampler.hpp"
#include "hpo/lbfgs.hpp"
#include "hpo/log_ei.hpp"
#include "tests/hpo/search_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace troupe::hpo {
namespace {

TEST(LogImprovement, IsTheGoldenOne) {
  TROUPE_GOLDEN(golden, "log_ei.json");
  auto z = numbers(at(golden, "z")), values = numbers(at(golden, "log_ei"));
  ASSERT_EQ(z.size(), 11u);
  for (size_t i = 0; i < z.size(); ++i)
    EXPECT_NEAR(log_improvement(z[i]) / values[i], 1, 1e-11) << z[i];
}

TEST(LogImprovement, IsSmoothAndItsSlopeIsRight) {
  for (double z : {-200.0, -40.0, -25.001, -24.999, -10.0, -1.001, -0.999, 0.0, 3.0, 30.0}) {
    const double step = 1e-5 * std::max(1.0, std::abs(z));
    const double slope = (log_improvement(z + step) - log_improvement(z - step)) / (2 * step);
    EXPECT_NEAR(log_improvement_slope(z) / slope, 1, 1e-5) << z;
  }
  EXPECT_TRUE(std::isfinite(log_improvement(-1e8)));
}

TEST(Lbfgs, FindsTheMinimumInsideAndAtTheBorder) {
  Smooth rosenbrock = [](const std::vector<double>& x, std::vector<double>& g) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g = {-2 * a - 400 * x[0] * b, 200 * b};
    return a * a + 100 * b * b;
  };
  LbfgsSettings exact;
  exact.iterations = 500;
  exact.gradient_tolerance = 1e-8;
  exact.value_tolerance = 0;
  auto inside = minimise(rosenbrock, {-1.2, 1}, {-5, -5}, {5, 5}, exact);
  EXPECT_NEAR(inside.x[0], 1, 1e-6);
  EXPECT_NEAR(inside.x[1], 1, 1e-6);
  auto border = minimise(rosenbrock, {-1.2, 1}, {-5, -5}, {0.5, 5}, exact);
  EXPECT_NEAR(border.x[0], 0.5, 1e-12);
  EXPECT_NEAR(border.x[1], 0.25, 1e-6);
}

struct Example {
  GpData data;
  Eigen::VectorXd y;
  GpKernel kernel;
};

/// Some points over two numbers and a category.
Example example(int n) {
  Example out;
  out.data.x.resize(n, 3);
  out.data.is_category = {false, false, true};
  out.y.resize(n);
  Draws draws{4, 1, 1};
  for (int i = 0; i < n; ++i) {
    out.data.x.row(i) << draws.uniform(), draws.uniform(), std::floor(3 * draws.uniform());
    out.y[i] = std::sin(6 * out.data.x(i, 0)) + out.data.x(i, 1) * out.data.x(i, 2) - 1;
  }
  out.kernel.inverse_squares = Eigen::Vector3d{3, 0.7, 0.4};
  out.kernel.scale = 1.3;
  out.kernel.noise = 0.02;
  return out;
}

TEST(Gp, TheGradientOfTheLossIsRight) {
  auto one = example(25);
  Eigen::VectorXd gradient;
  gp_loss(one.kernel, one.data, one.y, &gradient);
  ASSERT_EQ(gradient.size(), 5);
  for (Eigen::Index i = 0; i < 5; ++i) {
    auto moved = [&](double by) {
      auto kernel = one.kernel;
      double& entry = i < 3 ? kernel.inverse_squares[i] : i == 3 ? kernel.scale : kernel.noise;
      entry *= std::exp(by);
      return gp_loss(kernel, one.data, one.y, nullptr);
    };
    EXPECT_NEAR(gradient[i], (moved(1e-5) - moved(-1e-5)) / 2e-5, 1e-5) << i;
  }
}

TEST(Gp, FittingLowersTheLoss) {
  auto one = example(40);
  auto fitted = gp_fit(one.data, one.y, 2, 60);
  EXPECT_LT(gp_loss(fitted, one.data, one.y, nullptr),
            gp_loss(one.kernel, one.data, one.y, nullptr));
  Gp process{fitted, one.data, one.y};
  double error = 0;
  auto other = example(60);
  for (int i = 40; i < 60; ++i)
    error = std::max(error, std::abs(process.at(other.data.x.row(i), false).means[0] - other.y[i]));
  EXPECT_LT(error, 0.5);
}

TEST(Gp, PredictsWhatItWasToldAndItsSlopesAreRight) {
  auto one = example(30);
  one.kernel.noise = gp_noise_min;
  Eigen::MatrixXd y(30, 2);
  y << one.y, -one.y;
  Gp process{one.kernel, one.data, y};
  auto known = process.at(one.data.x.row(3), false);
  EXPECT_NEAR(known.means[0], one.y[3], 1e-3);
  EXPECT_NEAR(known.means[1], -one.y[3], 1e-3);
  EXPECT_LT(known.variance, 1e-5);
  Eigen::MatrixXd points(2, 3);
  points << 0.31, 0.62, 1, 0.9, 0.1, 0;
  Eigen::MatrixXd means;
  Eigen::VectorXd variances;
  process.at_all(points, means, variances);
  Acquisition acquisition{process, Eigen::Vector2d{-0.5, -0.2}};
  EXPECT_NEAR(process.covariance_at(points)(1, 1), variances[1], 1e-9);
  for (Eigen::Index k = 0; k < 2; ++k) {
    Eigen::VectorXd point = points.row(k);
    auto here = process.at(point, true);
    EXPECT_NEAR(here.means[1], means(k, 1), 1e-9);
    EXPECT_NEAR(here.variance, variances[k], 1e-9);
    Eigen::VectorXd slope;
    EXPECT_NEAR(acquisition.at(point, &slope), acquisition.at_all(points)[k], 1e-9);
    for (Eigen::Index j = 0; j < 2; ++j) {
      auto at = [&](double by) {
        Eigen::VectorXd moved = point;
        moved[j] += by;
        return moved;
      };
      auto up = process.at(at(1e-6), false), down = process.at(at(-1e-6), false);
      EXPECT_NEAR(here.mean_slopes(j, 0), (up.means[0] - down.means[0]) / 2e-6, 1e-4);
      EXPECT_NEAR(here.variance_slope[j], (up.variance - down.variance) / 2e-6, 1e-4);
      const double rise = acquisition.at(at(1e-6), nullptr) - acquisition.at(at(-1e-6), nullptr);
      EXPECT_NEAR(slope[j], rise / 2e-6, 1e-3 * (1 + std::abs(slope[j])));
    }
  }
}

std::unique_ptr<Sampler> gp(Space space, SearchSettings settings) {
  GpSettings quick;
  quick.candidates = 256;
  quick.starts = 3;
  return make_gp_sampler(std::move(space), std::move(settings), quick).value();
}

TEST(GpSampler, KeepsThePromisesOfASearch) {
  expect_promises(gp, 6);
}

TEST(GpSampler, FindsTheBottomOfABowlInFewTrials) {
  std::vector<Parameter> space{range("x", -5.0, 5.0), range("y", 1e-4, 1.0, {}, {}, true),
                               range("n", 1, 50), choices("c", {"a", "b", "c", "d"})};
  auto bowl = [](const Point& point) {
    double x = point.at("x").as_number() - 1, y = std::log10(point.at("y").as_number()) + 2;
    double n = (point.at("n").as_number() - 30) / 10;
    return x * x + y * y + n * n + (point.at("c") == Value{"c"} ? 0 : 2);
  };
  EXPECT_LT(median_best(gp, space, bowl, 40, 3), 0.05);
}

TEST(GpSampler, StandsValuesThatNothingCanBeLearnedFrom) {
  std::vector<Parameter> space{range("x", 0.0, 1.0), choices("k", {3})};
  for (Objective objective :
       {Objective{[](const Point&) { return 1e308; }},
        Objective{[](const Point& p) { return p.at("x").as_number() < 0.5 ? 1e308 : -1e308; }},
        Objective{
            [](const Point& p) { return p.at("x").as_number() < 0.9 ? std::nan("") : 1.0; }}}) {
    SearchSettings settings;
    settings.maximize = {false};
    auto sampler = gp(Space::make(space).value(), settings);
    auto script = run_search(*sampler, objective, 25, 3, 1);
    EXPECT_EQ(script.size(), 50u);
  }
}

}  // namespace
}  // namespace troupe::hpo
