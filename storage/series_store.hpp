// Metric series, in an LMDB of their own in `<dir>/series/`, so that metrics never block or bloat
// the ledger. Points are kept in arrival order in blocks; how far a source was read is stored in
// the same transaction, so a chunk that is delivered twice counts once. append(): one thread at a
// time. Reads: any thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::storage {

struct SeriesPoint {
  double step = 0;
  double value = 0;  // NaN and infinities are kept
  Timestamp time;
};

/// What was read from one source of an attempt, from byte `from` up to byte `to`.
struct SeriesChunk {
  struct Point {
    std::string name;
    double step = 0;
    double value = 0;
    Timestamp time;
    /// Offset just behind the line the point stood on; decides which points are new where a chunk
    /// begins below what is known. 0: belongs to the whole chunk.
    uint64_t end = 0;
  };
  ExperimentId id;
  uint32_t attempt = 1;
  std::string source;  // "file worker.0", "log worker.0"
  uint64_t from = 0;
  uint64_t to = 0;
  std::vector<Point> points;
};

/// What one append kept and what it did not.
struct SeriesAppended {
  uint64_t points = 0;
  uint64_t dropped = 0;          // over limits::metric_points_max or metric_names_max
  uint64_t repeated_chunks = 0;  // known already
};

struct SeriesStats {
  uint64_t points = 0;   // ever arrived and kept, of one name
  uint64_t dropped = 0;  // over the limit, of one name
};

struct SeriesOptions {
  std::string dir;
  uint64_t map_bytes = 64ull << 30;  // only address space until it is used
};

class SeriesStore {
 public:
  static Result<std::unique_ptr<SeriesStore>> open(SeriesOptions options);
  ~SeriesStore();
  SeriesStore(const SeriesStore&) = delete;
  SeriesStore& operator=(const SeriesStore&) = delete;

  /// One transaction. A chunk that ends at or below what is known of its source is ignored; of one
  /// that begins below it only points with `end` above count, and where a point has no `end` the
  /// whole chunk is left out: reading again from consumed() loses nothing. A chunk that begins
  /// above (a gap) is taken. Without `durable` a power cut may undo the newest appends, points and
  /// offsets together, and never harms the store.
  Result<SeriesAppended> append(std::span<const SeriesChunk> chunks, bool durable = true);

  /// How far this source was read: 0 at first.
  Result<uint64_t> consumed(ExperimentId id, uint32_t attempt, const std::string& source) const;
  /// Sorted.
  Result<std::vector<std::string>> names(ExperimentId id) const;
  /// In order of arrival; evenly thinned to `limit` where there are more, first and last included.
  Result<std::vector<SeriesPoint>> read(ExperimentId id, const std::string& name,
                                        uint32_t limit) const;
  /// The newest value of each name.
  Result<std::vector<std::pair<std::string, SeriesPoint>>> last(ExperimentId id) const;
  Result<SeriesStats> stats(ExperimentId id, const std::string& name) const;
  /// Points that had no name left: the experiment already had limits::metric_names_max.
  Result<uint64_t> dropped_names(ExperimentId id) const;

 private:
  struct Impl;
  explicit SeriesStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace troupe::storage
