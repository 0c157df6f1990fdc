#include "client/plot/scale.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::plot {

namespace {

constexpr double air = 0.04;          // of the axis, at either end
constexpr double number_max = 1e300;  // beyond it the difference of two ends would be infinite

/// 1, 2 or 5 times a power of ten, so that about `most` of them fill the span: rather some more
/// than half of them.
double nice_step(double span, size_t most) {
  auto raw = span / static_cast<double>(std::max<size_t>(1, most));
  auto power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {1, 2, 5})
    if (factor * power >= raw * 0.85) return factor * power;
  return 10 * power;
}

/// As many decimals as tell neighbours apart.
std::string tick_text(double value, double step) {
  if (std::abs(value) < step * 1e-6) value = 0;
  if (std::abs(value) >= 1e4 || (value != 0 && step < 1e-4)) {
    // Digits down to the step's.
    auto digits = std::max(
        1, static_cast<int>(std::floor(std::log10(std::abs(value)) - std::log10(step) + 1e-9)) + 1);
    auto text = number_text(value);
    return std::abs(std::strtod(text.c_str(), nullptr) - value) < step / 100 || digits <= 4
               ? text
               : fmt::format("{:.{}g}", value, digits);
  }
  auto decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

Scale::Scale(Axis axis, double from, double to) : axis_{std::move(axis)}, from_{from}, to_{to} {
  axis_.low = std::clamp(axis_.low, -number_max, number_max);
  axis_.high = std::clamp(axis_.high, -number_max, number_max);
  low_ = axis_.log ? std::log10(axis_.low) : axis_.low;
  high_ = axis_.log ? std::log10(axis_.high) : axis_.high;
  auto margin = axis_.is_category() ? 0.5 : (high_ - low_) * air;
  // Of one value, or of several that a double cannot tell apart with room between them.
  if (!(high_ - low_ > std::abs(high_) * 1e-12))
    margin = axis_.is_category() ? 0.5 : std::max(std::abs(low_) * 0.1, 1e-300);
  if (!axis_.is_category() && low_ == 0 && high_ == 0) margin = 1;
  low_ -= margin;
  high_ += margin;
}

double Scale::operator()(double value) const {
  if (axis_.log) value = value > 0 ? std::log10(value) : low_;
  auto share = std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
  return from_ + share * (to_ - from_);
}

double Scale::value_at(double place) const {
  auto value = low_ + (place - from_) / (to_ - from_) * (high_ - low_);
  return axis_.log ? std::pow(10, value) : value;
}

std::vector<Tick> Scale::ticks(size_t most) const {
  most = std::max<size_t>(2, most);
  if (axis_.is_category()) {
    std::vector<Tick> ticks;
    auto stride = (axis_.labels.size() + most - 1) / most;
    for (size_t i = 0; i < axis_.labels.size(); i += stride)
      ticks.push_back({static_cast<double>(i), axis_.labels[i]});
    return ticks;
  }
  return axis_.log ? log_ticks(most) : linear_ticks(most);
}

std::vector<Tick> Scale::linear_ticks(size_t most) const {
  if (!axis_.varies()) return {{axis_.low, number_text(axis_.low)}};
  auto step = nice_step(high_ - low_, most);
  if (axis_.whole) step = std::max(1.0, step);
  std::vector<Tick> ticks;
  auto first = std::ceil(low_ / step - 1e-9);
  for (size_t i = 0; i <= most + 2; ++i) {
    auto value = (first + static_cast<double>(i)) * step;
    if (value > high_ + step * 1e-9) break;
    if (axis_.whole && (value < axis_.low || value > axis_.high)) continue;
    ticks.push_back({value, tick_text(value, step)});
  }
  if (ticks.empty()) ticks.push_back({axis_.low, number_text(axis_.low)});
  return ticks;
}

std::vector<Tick> Scale::log_ticks(size_t most) const {
  if (!axis_.varies()) return {{axis_.low, number_text(axis_.low)}};
  auto first = static_cast<int>(std::ceil(low_ - 1e-9));
  auto last = static_cast<int>(std::floor(high_ + 1e-9));
  auto decades = last - first + 1;
  std::vector<Tick> ticks;
  auto add = [&](int decade, double factor) {
    auto value = factor * std::pow(10, decade);
    auto place = std::log10(value);
    if (place >= low_ && place <= high_) ticks.push_back({value, number_text(value)});
  };
  if (decades >= 2 || high_ - low_ >= 1.2) {
    auto stride = std::max(1, (decades + static_cast<int>(most) - 1) / static_cast<int>(most));
    bool between = static_cast<size_t>(decades) * 3 <= most + 2;
    for (int decade = first - 1; decade <= last; ++decade) {
      if (decade % stride == 0) add(decade, 1);
      if (!between) continue;
      add(decade, 2);
      add(decade, 5);
    }
    return ticks;
  }
  // Less than a decade: like a linear axis, at the places of a logarithmic one.
  auto low = std::pow(10, low_), high = std::pow(10, high_);
  auto step = nice_step(high - low, most);
  for (auto value = std::ceil(low / step) * step; value <= high; value += step)
    ticks.push_back({value, tick_text(value, step)});
  return ticks;
}

}  // namespace troupe::plot
