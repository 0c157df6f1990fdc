// What workers said and had no right to say: counted, and told in the log, at most a line a second
// for each worker, however much it says. Any thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/metric_registry.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::actors {

class ReportAudit {
 public:
  ReportAudit(std::shared_ptr<Clock> clock, MetricRegistry& metrics)
      : clock_{std::move(clock)},
        counter_{metrics.counter("troupe_reports_refused",
                                 "Reports of workers that they had no right to make.")} {}

  void refused(const std::string& worker, const Error& error);
  uint64_t count() const { return counter_.value(); }

 private:
  struct Told {
    std::chrono::nanoseconds at{};
    uint64_t unsaid = 0;
  };
  std::shared_ptr<Clock> clock_;
  Counter& counter_;
  std::mutex mutex_;
  std::map<std::string, Told> told_;  // by worker: names are proved, so there are not many
};

}  // namespace troupe::actors
