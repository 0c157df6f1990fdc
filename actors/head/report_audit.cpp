#include "actors/head/report_audit.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe::actors {

void ReportAudit::refused(const std::string& worker, const Error& error) {
  counter_.add();
  auto now = clock_->monotonic();
  std::lock_guard guard{mutex_};
  auto [it, first] = told_.try_emplace(worker);
  if (!first && now - it->second.at < std::chrono::seconds{1}) {
    ++it->second.unsaid;
    return;
  }
  it->second.at = now;
  auto more = std::exchange(it->second.unsaid, 0);
  log::warning("audit", "worker {}: {}{}", worker, to_string(error),
               more > 0 ? fmt::format(" ({} more since the last line)", more) : "");
}

}  // namespace troupe::actors
