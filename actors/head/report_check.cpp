#include "actors/head/report_check.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr int64_t year_2100_us = int64_t{4'102'444'800} * 1'000'000;
constexpr uint64_t offset_max = uint64_t{1} << 53;  // eight petabytes of log
constexpr uint32_t attempts_max = 1'000'000;
constexpr uint32_t phases_max = 100'000;
constexpr size_t gpus_max = 1024;
constexpr size_t text_max = 64u << 10;
constexpr size_t near_max = 128u * 128;
constexpr size_t topology_bytes_max = 1u << 20;
// A worker lists a thousand.
constexpr size_t versions_max = 4096;
constexpr uint64_t bytes_max = uint64_t{1} << 60;
constexpr int64_t century_ms = int64_t{100} * 366 * 24 * 3600 * 1000;
// A batch has 4,096, and what else stood on its last line.
constexpr size_t points_max = 64u << 10;

bool is_time(int64_t us) {
  return us >= 0 && us <= year_2100_us;
}

Error absurd(const JobKey& key, std::string detail) {
  return Error{Errc::refused, fmt::format("a report on job {} was refused", to_string(key.job)),
               std::move(detail), "is its worker of the head's version?"};
}

}  // namespace

Standing standing_of(const ExperimentRecord& record, const JobKey& key, const std::string& node) {
  auto attempt = std::find_if(record.attempts.begin(), record.attempts.end(),
                              [&](const auto& each) { return each.epoch == key.epoch; });
  if (attempt == record.attempts.end()) {
    // Older ones are not all kept, nor are those that a head did not live to record. Newer ones
    // there are none.
    bool newer = record.attempts.empty() || key.epoch > record.attempts.back().epoch;
    return newer ? Standing::foreign : Standing::stale;
  }
  bool placed = std::any_of(attempt->jobs.begin(), attempt->jobs.end(), [&](const auto& job) {
    return job.index == key.job.index && job.role == key.job.role && job.node == node;
  });
  if (!placed || key.job.experiment != record.id) return Standing::foreign;
  return key.epoch == record.attempts.back().epoch ? Standing::current : Standing::stale;
}

Result<void> check_plausible(const JobUpdate& update) {
  if (update.step < JobStep::preparing || update.step > JobStep::ended)
    return absurd(update.key, "it is at a step that there is not");
  // The line before the first, all bits set, is what a rank is at that waits to start.
  if (update.attempt == 0 || update.attempt > attempts_max || update.phase + 1 > phases_max ||
      update.gpus.size() > gpus_max)
    return absurd(update.key, "its attempt, line or number of devices is absurd");
  if (!is_time(update.time_us) || !is_time(update.started_us))
    return absurd(update.key, "its times lie outside of all calendars");
  if (std::max(update.ranks.size(), update.paces.size()) > limits::processes_max)
    return absurd(update.key, "it has more ranks than a job may have");
  for (const auto& rank : update.ranks)
    if (rank.quiet_ms < 0 || rank.steady_ms < 0 || rank.by > RankPulse::By::calls ||
        rank.process.size() > limits::metric_line_bytes_max)
      return absurd(update.key, "what its ranks do is absurd");
  size_t bound = update.bound.cpus.size() + update.bound.memory.size() + update.bound.note.size();
  for (const auto& rank : update.bound.ranks)
    bound += rank.cpus.size() + rank.memory.size() + rank.nic.size();
  for (const auto& gpu : update.bound.gpus) bound += gpu.size();
  if (update.bound.ranks.size() > limits::processes_max || update.bound.gpus.size() > gpus_max ||
      bound > text_max)
    return absurd(update.key, "the CPUs it is bound to are absurd");
  for (const auto* text : {&update.error.what, &update.error.detail, &update.error.hint})
    if (text->size() > text_max) return absurd(update.key, "its error is a book");
  return ok();
}

Result<void> check_plausible(const MetricBatch& batch) {
  if (batch.source != "file" && batch.source != "log")
    return absurd(batch.key, "its metrics come from nowhere");
  if (batch.from > batch.to || batch.to > offset_max || batch.attempt == 0 ||
      batch.attempt > attempts_max || batch.points.size() > points_max)
    return absurd(batch.key, "the place of its metrics is absurd");
  for (const auto& point : batch.points) {
    if (point.end <= batch.from || point.end > batch.to || !is_time(point.time_us))
      return absurd(batch.key, "the place or time of a metric is absurd");
    if (point.name.empty() || point.name.size() > limits::metric_line_bytes_max)
      return absurd(batch.key, "the name of a metric is absurd");
  }
  return ok();
}

Result<void> check_plausible(const GpuReport& report) {
  size_t text = 0;
  for (const auto& device : report.devices) {
    text += device.uuid.size() + device.bus.size() + device.name.size() + device.closed.size();
    if (device.index >= gpus_max) text = text_max + 1;
  }
  if (report.devices.size() <= gpus_max && text <= text_max) return ok();
  return Error{Errc::refused, "a report on GPUs was refused", "their number or names are absurd",
               "is its worker of the head's version?"};
}

Result<void> check_plausible(const NodeHello& hello) {
  TROUPE_TRY(check_plausible(hello.devices));
  bool square = hello.gpu_near.empty() || hello.gpu_near.size() == size_t{hello.gpus} * hello.gpus;
  if (square && hello.gpu_near.size() <= near_max && hello.topology.size() <= topology_bytes_max)
    return ok();
  return Error{Errc::refused, fmt::format("what node {} says of itself was refused", hello.name),
               "its topology is absurd", "is its worker of the head's version?"};
}

Result<void> check_plausible(const CacheReport& report) {
  auto absurd_cache = [](std::string detail) {
    return Error{Errc::refused, "a report on a cache was refused", std::move(detail),
                 "is its worker of the head's version?"};
  };
  if (report.versions.size() > versions_max || report.address.size() > text_max ||
      std::max({report.limit, report.used, report.disk_free}) > bytes_max ||
      report.address.find_first_of(" \n") != std::string::npos)
    return absurd_cache("its size or address is absurd");
  for (const auto& version : report.versions) {
    if (version.state < CachedVersion::State::coming ||
        version.state > CachedVersion::State::failed || version.digest.size() != 64 ||
        version.bytes > bytes_max || version.total > bytes_max || version.arrived > version.total)
      return absurd_cache("a version there is absurd");
    if (version.age_ms < 0 || version.idle_ms < 0 || version.age_ms > century_ms ||
        version.idle_ms > century_ms)
      return absurd_cache("the age of a version there is absurd");
    size_t text = version.mount.size() + version.error.size();
    for (const auto& source : version.sources) text += source.size();
    for (const auto& source : version.left) text += source.size();
    if (text > text_max) return absurd_cache("what it says of a version is a book");
  }
  return ok();
}

}  // namespace troupe::actors
