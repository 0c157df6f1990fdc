// Counters and gauges of our own process, printed as OpenMetrics for /metrics. Updating one is an
// atomic add: cheap enough for hot paths, safe from any thread. References stay good as long as the
// registry.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe {

class Counter {
 public:
  void add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class MetricRegistry {
 public:
  /// `name` as in Prometheus, without "_total"; asked for twice it is the same one. A gauge may
  /// have labels behind it: `lag{actor="ledger"}`.
  Counter& counter(const std::string& name, const std::string& help);
  Gauge& gauge(const std::string& name, const std::string& help);
  /// OpenMetrics 1.0 text, with "# EOF".
  std::string open_metrics() const;

 private:
  struct Entry {
    std::string help;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace troupe
