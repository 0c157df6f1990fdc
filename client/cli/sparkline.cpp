#include "client/cli/sparkline.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace troupe::cli {

std::string sparkline(const ValueList& points, size_t width) {
  constexpr std::array blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  auto count = std::min(points.size(), width);
  std::vector<double> means;
  for (size_t i = 0; i < count; ++i) {
    double sum = 0;
    size_t seen = 0;
    for (size_t at = i * points.size() / count; at < (i + 1) * points.size() / count; ++at) {
      const auto* value = points[at].find("value");
      if (value == nullptr || !value->is_number() || !std::isfinite(value->as_number())) continue;
      sum += value->as_number();
      ++seen;
    }
    means.push_back(seen == 0 ? std::numeric_limits<double>::quiet_NaN()
                              : sum / static_cast<double>(seen));
  }
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (auto mean : means) {
    if (std::isnan(mean)) continue;
    low = std::min(low, mean);
    high = std::max(high, mean);
  }
  std::string line;
  for (auto mean : means) {
    if (std::isnan(mean)) {
      line += " ";
      continue;
    }
    auto share = high > low ? (mean - low) / (high - low) : 0.5;
    line += blocks[std::min<size_t>(7, static_cast<size_t>(share * 8))];
  }
  return line;
}

}  // namespace troupe::cli
