// The log of one job on disk. One record a line:
//   2026-11-21T01:29:00.123456Z 0o F text
// time, rank and stream (`o` out, `e` err), `F` a full line (or its last part) or `P` a part of a
// longer line, the text as it came. Notes of our own have rank `-` and stream `t`.
//
// Offsets count the bytes of these records from the first one of the job, for ever: what is dropped
// keeps its numbers. On disk the first half of the limit stays, and behind it a ring of the newest
// segments; a file is named by the offset it begins with:
//   [00000000000000000000.log: head]  ...dropped...  [...1048576.log] [...1114112.log: newest]
// One writer (the launcher, its loop's thread); any number of readers in any process.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::process {

/// The longest record: a cut line and what stands before it.
inline constexpr size_t log_record_bytes_max = (16u << 10) + 128;
/// Less than this is not worth a ring of segments.
inline constexpr uint64_t log_bytes_least = 256u << 10;

/// Writes records. Never fails for its caller: what cannot be written is dropped, counted, and
/// announced in the log once writing works again.
class LogWriter {
 public:
  /// Touches nothing on disk before the first record. `bytes_max` 0: the default limit.
  LogWriter(std::string dir, uint64_t bytes_max);

  /// Whole records, each with its newline; at most 256 KiB at a time, so that segments stay even.
  void append(std::string_view records, Timestamp now);
  /// The logical end.
  uint64_t end();
  /// How much was lost since this writer began, and why; empty where nothing was.
  std::string error() const;

 private:
  struct Segment {
    uint64_t start = 0;
    uint64_t bytes = 0;
    int64_t lines = -1;  // -1: not counted yet
  };

  Result<void> open();
  Result<void> write(std::string_view records);
  Result<void> begin_segment(uint64_t start);
  void make_room(size_t bytes);
  std::string path_of(uint64_t start) const;

  std::string dir_;
  uint64_t bytes_max_;
  UniqueFd fd_;                   // of the newest segment
  std::deque<Segment> segments_;  // the head first
  uint64_t dropped_lines_ = 0;    // by the ring
  uint64_t lost_bytes_ = 0;       // by errors, ever
  uint64_t unannounced_ = 0;      // of these, not yet told in the log
  std::string lost_reason_;
  bool opened_ = false;
};

struct LogSlice {
  std::string bytes;         // whole records
  uint64_t next_offset = 0;  // ask for this next
};

/// Reads the store of another process while it is written. Has no state: cheap to make.
class LogReader {
 public:
  explicit LogReader(std::string dir) : dir_{std::move(dir)} {}

  /// Whole records from `offset` on, about `limit` bytes at most (but always one record where there
  /// is one). An offset inside a record begins with the next one. Nothing there yet: empty.
  Result<LogSlice> read(uint64_t offset, size_t limit) const;
  /// The logical end.
  Result<uint64_t> end() const;
  /// Where the last `lines` records begin.
  Result<uint64_t> tail_offset(uint64_t lines) const;

 private:
  std::string dir_;
};

/// The segments of a store by the offsets they begin with; empty where there is none. Both halves.
Result<std::vector<uint64_t>> log_segments(const std::string& dir);
std::string log_segment_path(const std::string& dir, uint64_t start);

}  // namespace troupe::process
