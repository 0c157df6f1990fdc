#include "runtime/core/metric_registry.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/value.hpp"

#include <fmt/format.h>

namespace troupe {

Counter& MetricRegistry::counter(const std::string& name, const std::string& help) {
  std::lock_guard guard{mutex_};
  auto& entry = entries_[name];
  TROUPE_ASSERT(!entry.gauge, name);
  if (!entry.counter) {
    entry.help = help;
    entry.counter = std::make_unique<Counter>();
  }
  return *entry.counter;
}

Gauge& MetricRegistry::gauge(const std::string& name, const std::string& help) {
  std::lock_guard guard{mutex_};
  auto& entry = entries_[name];
  TROUPE_ASSERT(!entry.counter, name);
  if (!entry.gauge) {
    entry.help = help;
    entry.gauge = std::make_unique<Gauge>();
  }
  return *entry.gauge;
}

std::string MetricRegistry::open_metrics() const {
  std::lock_guard guard{mutex_};
  std::string text;
  std::string_view family;
  for (const auto& [name, entry] : entries_) {
    // Those of one family differ in their labels, and stand beside each other: '{' sorts last.
    auto bare = std::string_view{name}.substr(0, name.find('{'));
    if (bare != family)
      text += fmt::format("# TYPE {} {}\n# HELP {} {}\n", bare, entry.counter ? "counter" : "gauge",
                          bare, entry.help);
    family = bare;
    if (entry.counter)
      text += fmt::format("{}_total {}\n", name, entry.counter->value());
    else
      text += fmt::format("{} {}\n", name, shortest_text(entry.gauge->value()));
  }
  return text + "# EOF\n";
}

}  // namespace troupe
