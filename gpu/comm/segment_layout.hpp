// Where things lie in a segment: header, a state for each rank, slots, small slots, channels. Pure.
#pragma once

#include "gpu/comm/segment.hpp"

namespace troupe::comm {

/// A cause of failure as it lies in shared memory: its texts are cut where they do not fit.
struct SharedCause {
  uint8_t code = 0;
  char what[200] = {};
  char detail[300] = {};
  char hint[200] = {};
};

struct Segment::Header {
  uint64_t magic = 0;
  SegmentShape shape;
  alignas(line_bytes) std::atomic<uint32_t> parked_count{0};
  // Where a rank was kept from running: 1 + the processor, and when, in milliseconds of the
  // steady clock.
  std::atomic<int32_t> taken_processor{0};
  std::atomic<int64_t> taken_at{0};
  alignas(line_bytes) std::atomic<uint32_t> failed{0};  // 0 no, 1 being written, 2 yes
  SharedCause cause;
};

/// Offsets from the beginning.
struct SegmentLayout {
  explicit SegmentLayout(const SegmentShape& shape) {
    auto up = [](uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; };
    uint64_t ranks = shape.ranks;
    states = up(header_bytes);
    slots = up(states + ranks * sizeof(RankState));
    small = slots + shape.stages * (ranks + 1) * shape.slot_bytes;
    channels = small + 2 * ranks * shape.small_bytes;
    channel_stride = up(sizeof(Channel) + shape.channel_bytes);
    total = channels + ranks * ranks * channel_stride;
  }

  static constexpr uint64_t header_bytes = 4096;
  uint64_t states, slots, small, channels, channel_stride, total;
};

}  // namespace troupe::comm
