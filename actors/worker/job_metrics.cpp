// How a job actor follows the metrics and checkpoints of its job, and whether its ranks make
// progress.
#include "actors/worker/job.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/process/log_store.hpp"

#include <algorithm>
#include <cmath>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

// What one look reads at most, so that a job that writes without end cannot occupy the worker.
constexpr uint64_t scan_bytes_max = 4u << 20;
constexpr uint64_t final_scan_bytes_max = 256u << 20;
constexpr size_t read_bytes = 256u << 10;
// Well below the limit of a message between nodes.
constexpr size_t points_a_message = 4096;

}  // namespace

void JobState::scan_metrics(bool final) {
  if (run_key_.empty()) return;  // nothing ran, and the slot may be another's
  scan_file(final);
  scan_log_store(final);
}

void JobState::scan_file(bool final) {
  auto path = context_->paths.metrics(slot_);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || static_cast<uint64_t>(info.st_size) <= file_offset_)
    return;
  auto fd = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!fd) return;
  auto left = final ? final_scan_bytes_max : scan_bytes_max;
  std::string buffer;
  auto read_at = file_offset_;
  while (left > 0) {
    char piece[16384];
    auto n = ::pread(fd->get(), piece, sizeof piece, static_cast<off_t>(read_at));
    if (n > 0) {
      buffer.append(piece, static_cast<size_t>(n));
      read_at += static_cast<uint64_t>(n);
      left -= std::min<uint64_t>(left, static_cast<uint64_t>(n));
    }
    bool end = n <= 0;
    if (!end && buffer.size() < read_bytes) continue;
    auto scan = scan_metric_file(buffer, file_offset_, file_lines_, context_->clock->now().us,
                                 final && end);
    bad_metric_lines_ += scan.bad_lines;
    send_metrics("file", file_offset_, file_offset_ + scan.consumed, std::move(scan.points));
    file_offset_ += scan.consumed;
    buffer.erase(0, scan.consumed);
    if (end) return;
  }
}

void JobState::scan_log_store(bool final) {
  process::LogReader reader{context_->paths.log(order_->key.job)};
  auto left = final ? final_scan_bytes_max : scan_bytes_max;
  while (left > 0) {
    auto slice = reader.read(log_offset_, read_bytes);
    if (!slice || slice->bytes.empty()) return;
    if (pulses_) pulses_->lines(slice->bytes, slice->next_offset, context_->clock->monotonic());
    // Rank 0 reports; it is a process of the first job.
    if (order_->first_rank == 0) {
      auto scan = scan_log(slice->bytes, slice->next_offset - slice->bytes.size(), 0);
      bad_metric_lines_ += scan.bad_lines;
      for (auto& point : scan.points) {
        auto count = log_points_[point.name]++;
        if (std::isnan(point.step.value)) point.step.value = static_cast<double>(count);
      }
      send_metrics("log", log_offset_, slice->next_offset, std::move(scan.points));
    }
    left -= std::min<uint64_t>(left, slice->bytes.size());
    log_offset_ = slice->next_offset;
  }
}

void JobState::send_metrics(const std::string& source, uint64_t from, uint64_t to,
                            std::vector<WirePoint> points) {
  if (pulses_) pulses_->points(source, points, context_->clock->monotonic());
  size_t end = 0;
  for (size_t begin = 0; begin < points.size(); begin = end) {
    end = std::min(points.size(), begin + points_a_message);
    // A line is never split: the head knows a source by how far it was read.
    while (end < points.size() && points[end].end == points[end - 1].end) ++end;
    MetricBatch batch;
    batch.key = order_->key;
    batch.attempt = order_->attempt;
    batch.source = source;
    batch.link = link_;
    batch.from = begin == 0 ? from : points[begin - 1].end;
    batch.to = end == points.size() ? to : points[end - 1].end;
    batch.points.assign(
        std::make_move_iterator(points.begin() + static_cast<std::ptrdiff_t>(begin)),
        std::make_move_iterator(points.begin() + static_cast<std::ptrdiff_t>(end)));
    self_->send(context_->director, metrics_atom_v, std::move(batch));
  }
}

/// Each line anew: it forms its own world.
void JobState::watch(const process::RunStatus& status) {
  if (watched_run_ == status.key) return;
  watched_run_ = status.key;
  auto now = context_->clock->monotonic();
  if (order_->world_size > 1) {
    world_.emplace(*order_, status.pids, now);
    waits_.emplace(order_->first_rank);
    waits_->begin(status.pids, now);
  }
  if (order_->patience_ms == 0) return;
  if (!pulses_)
    pulses_.emplace(order_->first_rank, order_->processes, Duration{order_->patience_ms}, now);
  pulses_->begin(status.pids, now);
}

/// Not kept as the newest update: said again later it would be wrong.
void JobState::pulse() {
  auto now = context_->clock->monotonic();
  if (order_->world_size > 1 && !pace_)
    pace_.emplace(context_->paths.pace(slot_), order_->first_rank, order_->processes);
  auto paces = pace_ ? pace_->due(now) : std::vector<RankPace>{};
  if (pulses_) pulses_->calls(paces, now);
  if (!paces.empty()) waits_.reset();  // what its ranks tell themselves counts alone
  auto ranks = pulses_ ? pulses_->due(now, context_->looks) : std::vector<RankPulse>{};
  if (waits_) {
    auto seen = waits_->look(now, context_->looks.process, context_->looks.wait);
    paces.insert(paces.end(), seen.begin(), seen.end());
  }
  if (ranks.empty() && paces.empty()) return;
  auto update = blank(JobStep::running);
  update.link = link_;
  update.ranks = std::move(ranks);
  update.paces = std::move(paces);
  self_->send(context_->director, update_atom_v, std::move(update));
}

void JobState::look_at_world() {
  if (!world_ || !world_->look(context_->clock->monotonic(), context_->look_at_world)) return;
  warning_ = world_->warning();
  send(blank(JobStep::running));
}

bool JobState::look_for_checkpoints() {
  if (started_us_ == 0 || run_key_.empty()) return false;
  if (!checkpoints_)
    checkpoints_.emplace(context_->paths.checkpoints(order_->key.job.experiment), started_us_);
  return checkpoints_->look();
}

void JobState::watch_disk() {
  struct statvfs info {};
  for (const auto& dir : {context_->paths.outputs, context_->paths.dir})
    if (::statvfs(dir.c_str(), &info) == 0)
      disk_free_least_ =
          std::min<uint64_t>(disk_free_least_, uint64_t{info.f_bavail} * info.f_frsize);
}

}  // namespace troupe::actors
