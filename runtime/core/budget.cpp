#include "runtime/core/budget.hpp"

#include "runtime/core/spec.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace troupe {

namespace {

constexpr double hour_us = 3.6e9;
constexpr double hours_max = 1e9;

Error wrong(std::string_view text, std::string detail) {
  return {Errc::invalid, fmt::format("\"{}\" is no budget", text), std::move(detail),
          "write GPU-hours such as 40gpuh, CPU-core-hours such as 200cpuh, or a time such as 2h"};
}

}  // namespace

std::string_view Budget::unit(const Resources& resources) const {
  if (kind == Kind::wall) return "hours";
  return kind == Kind::gpu && resources.gpus != 0 ? "gpu_hours" : "cpu_core_hours";
}

double Budget::devices(const Resources& resources) const {
  if (kind == Kind::wall) return 1;
  if (kind == Kind::gpu && resources.gpus != 0)
    return resources.gpus * (resources.gpu_share / 1000.0);
  return resources.cpus;
}

Result<Budget> parse_budget(std::string_view text) {
  Budget budget;
  auto number = text;
  if (text.ends_with("gpuh") || text.ends_with("cpuh")) {
    budget.kind = text.ends_with("gpuh") ? Budget::Kind::gpu : Budget::Kind::cpu;
    number.remove_suffix(4);
    while (number.ends_with(' ')) number.remove_suffix(1);
    double hours = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), hours);
    if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(hours))
      return wrong(text, "there is no number of hours before the unit");
    if (hours <= 0 || hours > hours_max)
      return wrong(text, fmt::format("hours are above 0 and at most {}", hours_max));
    budget.amount_us = static_cast<uint64_t>(std::llround(hours * hour_us));
  } else {
    auto time = parse_duration(text);
    if (!time) return wrong(text, "it has no known unit");
    if (time->count() <= 0) return wrong(text, "it is no time at all");
    budget.amount_us = static_cast<uint64_t>(time->count()) * 1000;
  }
  if (budget.amount_us == 0) return wrong(text, "it is less than a microsecond");
  return budget;
}

std::string to_string(const Budget& budget) {
  if (budget.kind == Budget::Kind::wall) {
    Duration time{budget.amount_us / 1000};
    auto text = duration_text(time);  // two units at most
    auto again = parse_duration(text);
    return again && *again == time ? text : fmt::format("{}ms", time.count());
  }
  return fmt::format("{}{}", static_cast<double>(budget.amount_us) / hour_us,
                     budget.kind == Budget::Kind::gpu ? "gpuh" : "cpuh");
}

}  // namespace troupe
