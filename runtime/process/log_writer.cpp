#include "runtime/core/limits.hpp"
#include "runtime/process/log_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::process {
namespace {

/// Bytes of a file after dropping a torn last record, and the descriptor for appending to it.
Result<uint64_t> repair_tail(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "a log could not be opened");
  auto size = static_cast<uint64_t>(info.st_size);
  std::string tail(std::min<uint64_t>(size, 2 * log_record_bytes_max), '\0');
  auto n = ::pread(fd, tail.data(), tail.size(), static_cast<off_t>(size - tail.size()));
  if (n < 0) return errno_error(errno, "a log could not be read");
  tail.resize(static_cast<size_t>(n));
  auto newline = tail.rfind('\n');
  auto torn = newline == std::string::npos ? tail.size() : tail.size() - newline - 1;
  if (torn > 0 && ::ftruncate(fd, static_cast<off_t>(size - torn)) != 0)
    return errno_error(errno, "a log could not be repaired");
  return size - torn;
}

int64_t count_lines(const std::string& path) {
  auto text = read_file(path, 256u << 20);
  return text ? std::count(text->begin(), text->end(), '\n') : 0;
}

uint64_t file_size(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

}  // namespace

LogWriter::LogWriter(std::string dir, uint64_t bytes_max)
    : dir_{std::move(dir)},
      bytes_max_{
          std::max(bytes_max == 0 ? limits::job_log_bytes_max : bytes_max, log_bytes_least)} {}

std::string LogWriter::path_of(uint64_t start) const {
  return log_segment_path(dir_, start);
}

Result<void> LogWriter::open() {
  if (opened_) return ok();
  TROUPE_TRY(make_dirs(dir_));
  auto starts = log_segments(dir_);
  if (!starts) return std::move(starts).error();
  segments_.clear();
  for (auto start : *starts) segments_.push_back({start, file_size(path_of(start)), -1});
  if (segments_.empty()) {
    TROUPE_TRY(begin_segment(0));
  } else {
    auto fd = open_file(path_of(segments_.back().start), O_RDWR | O_APPEND);
    if (!fd) return std::move(fd).error();
    auto size = repair_tail(fd->get());
    if (!size) return std::move(size).error();
    segments_.back().bytes = *size;
    fd_ = std::move(*fd);
  }
  if (auto text = read_file(dir_ + "/dropped", 4096); text)
    dropped_lines_ = std::strtoull(text->c_str(), nullptr, 10);
  opened_ = true;
  return ok();
}

Result<void> LogWriter::begin_segment(uint64_t start) {
  auto fd = open_file(path_of(start), O_RDWR | O_CREAT | O_APPEND);
  if (!fd) return std::move(fd).error();
  fd_ = std::move(*fd);
  segments_.push_back({start, 0, 0});
  return ok();
}

/// Drops the oldest segments behind the head until `bytes` more fit into the second half.
void LogWriter::make_room(size_t bytes) {
  uint64_t ring = bytes;
  for (size_t i = 1; i < segments_.size(); ++i) ring += segments_[i].bytes;
  bool dropped = false;
  while (ring > bytes_max_ / 2 && segments_.size() > 2) {
    auto oldest = segments_[1];
    auto path = path_of(oldest.start);
    dropped_lines_ += static_cast<uint64_t>(oldest.lines < 0 ? count_lines(path) : oldest.lines);
    ::unlink(path.c_str());
    segments_.erase(segments_.begin() + 1);
    ring -= oldest.bytes;
    dropped = true;
  }
  if (!dropped) return;
  // On a full disk the count on disk stays behind until the next time: only a figure in a note.
  (void)replace_file(dir_ + "/dropped", fmt::format("{} {}\n", dropped_lines_, bytes_max_), 0644,
                     false);
}

Result<void> LogWriter::write(std::string_view records) {
  TROUPE_TRY(open());
  // 16 segments: a 32nd of the limit is dropped at a time, so what is kept stays near the limit.
  auto capacity = segments_.size() == 1 ? bytes_max_ / 2 : bytes_max_ / 32;
  if (segments_.back().bytes + records.size() > capacity && segments_.back().bytes > 0)
    TROUPE_TRY(begin_segment(segments_.back().start + segments_.back().bytes));
  if (segments_.size() > 1) make_room(records.size());
  auto& segment = segments_.back();
  auto written = write_all(fd_.get(), records);
  if (!written) {
    // Part of it may have reached the file: readers must never see half a record.
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(segment.bytes));
    return written;
  }
  segment.bytes += records.size();
  if (segment.lines >= 0) segment.lines += std::count(records.begin(), records.end(), '\n');
  return ok();
}

void LogWriter::append(std::string_view records, Timestamp now) {
  if (unannounced_ > 0) {
    auto note = fmt::format("{} -t F {} of output lost here: {}\n", rfc3339(now),
                            bytes_text(unannounced_), lost_reason_);
    if (write(note)) unannounced_ = 0;
  }
  auto written = unannounced_ > 0 ? Result<void>{Error{}} : write(records);
  if (written) return;
  if (unannounced_ == 0) lost_reason_ = written.error().detail;
  lost_bytes_ += records.size();
  unannounced_ += records.size();
}

uint64_t LogWriter::end() {
  if (!opened_) {
    // Asked at the end of every run: one without output before must not cost more than this.
    if (::access(path_of(0).c_str(), F_OK) != 0) return 0;
    if (!open()) return 0;
  }
  return segments_.back().start + segments_.back().bytes;
}

std::string LogWriter::error() const {
  if (lost_bytes_ == 0) return {};
  return fmt::format("{} of output lost: {}", bytes_text(lost_bytes_), lost_reason_);
}

}  // namespace troupe::process
