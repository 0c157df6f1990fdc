// gp_fit: the kernel's parameters.
#include "hpo/gp.hpp"
#include "hpo/lbfgs.hpp"

#include <cmath>

namespace troupe::hpo {
namespace {

GpKernel kernel_of(const std::vector<double>& logs) {
  GpKernel kernel;
  const auto d = static_cast<Eigen::Index>(logs.size()) - 2;
  kernel.inverse_squares = Eigen::Map<const Eigen::ArrayXd>(logs.data(), d).exp();
  kernel.scale = std::exp(logs[logs.size() - 2]);
  kernel.noise = std::exp(logs.back());
  return kernel;
}

}  // namespace

GpKernel gp_fit(const GpData& data, const Eigen::VectorXd& y, int starts, int iterations) {
  const auto d = static_cast<size_t>(data.x.cols());
  std::vector<double> low(d, std::log(1e-4)), high(d, std::log(1e4));
  low.insert(low.end(), {std::log(1e-3), std::log(gp_noise_min)});
  high.insert(high.end(), {std::log(1e3), std::log(1.0)});
  Smooth loss = [&](const std::vector<double>& logs, std::vector<double>& gradient) {
    Eigen::VectorXd slopes;
    const double value = gp_loss(kernel_of(logs), data, y, &slopes);
    if (std::isfinite(value)) gradient.assign(slopes.data(), slopes.data() + slopes.size());
    return value;
  };
  LbfgsSettings settings;
  settings.iterations = iterations;
  settings.gradient_tolerance = 1e-2;
  settings.value_tolerance = 1e-6;
  // Wide and almost without noise; narrow; wide with much noise.
  const double points[][2] = {{0, 1e-4}, {2, 1e-3}, {0, 1e-1}};
  Minimum best{{}, HUGE_VAL};
  for (int i = 0; i < starts && i < 3; ++i) {
    std::vector<double> start(d, points[i][0]);
    start.insert(start.end(), {0, std::log(points[i][1])});
    auto found = minimise(loss, start, low, high, settings);
    if (best.x.empty() || found.value < best.value) best = std::move(found);
  }
  return kernel_of(best.x);
}

}  // namespace troupe::hpo
