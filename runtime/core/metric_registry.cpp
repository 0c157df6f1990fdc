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
  for (const auto& [name, entry] : entries_) {
    text += fmt::format("# TYPE {} {}\n# HELP {} {}\n", name, entry.counter ? "counter" : "gauge",
                        name, entry.help);
    if (entry.counter)
      text += fmt::format("{}_total {}\n", name, entry.counter->value());
    else
      text += fmt::format("{} {}\n", name, shortest_text(entry.gauge->value()));
  }
  return text + "# EOF\n";
}

}  // namespace troupe
