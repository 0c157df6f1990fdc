#include "gpu/comm/local_group.hpp"

#include "gpu/comm/reduce.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace troupe::comm {

namespace {

const std::byte* bytes_of(const void* data) {
  return static_cast<const std::byte*>(data);
}
std::byte* bytes_of(void* data) {
  return static_cast<std::byte*>(data);
}

}  // namespace

void LocalGroup::put(std::byte* to, const std::byte* from, size_t bytes) {
  constexpr size_t between_beats = 64u << 10;
  if (to == from) return;
  for (size_t at = 0; at < bytes; at += between_beats) {
    std::memcpy(to + at, from + at, std::min(between_beats, bytes - at));
    segment_.beat();
  }
}

LocalGroup::Slots LocalGroup::stage_slots(uint64_t stage) const {
  return {segment_.slot(stage, 0), segment_.shape().slot_bytes};
}

LocalGroup::Slots LocalGroup::small_slots() const {
  return {segment_.small(call_, 0), segment_.shape().small_bytes};
}

void LocalGroup::begin(const Signature& call) {
  auto& mine = segment_.mine();
  // Nobody reads the signature of the call before the last any more: all have begun the last.
  mine.calls[call_ & 1] = call;
  segment_.post(mine.entered, call_);
}

Result<void> LocalGroup::all_begun(const Signature& call) {
  TROUPE_TRY(all_at(&RankState::entered, call_));
  auto signature_of = [&](uint32_t local) { return segment_.state(local).calls[call_ & 1]; };
  for (uint32_t local = 0; local < segment_.size(); ++local) {
    if (signature_of(local) == call) continue;
    // All ranks say the same: the first that differs from the first.
    uint32_t other = 1;
    while (other < segment_.size() && signature_of(other) == signature_of(0)) ++other;
    return segment_.fail(Error{
        Errc::invalid, "the ranks make different calls",
        fmt::format("rank {}: {}; rank {}: {}", segment_.state(0).rank, to_string(signature_of(0)),
                    segment_.state(other).rank, to_string(signature_of(other))),
        "all ranks must make the same calls with the same sizes and types"});
  }
  return ok();
}

Result<void> LocalGroup::all_at(std::atomic<uint64_t> RankState::*counter, uint64_t value) {
  for (uint32_t local = 0; local < segment_.size(); ++local)
    TROUPE_TRY(segment_.await(segment_.state(local).*counter, value, local));
  return ok();
}

Result<void> LocalGroup::barrier(const Signature& call) {
  auto working = segment_.begin_call();
  ++call_;
  begin(call);
  return all_begun(call);
}

std::pair<size_t, size_t> LocalGroup::part(size_t count, size_t element_bytes,
                                           uint32_t local) const {
  // Whole cache lines, so that no two ranks write into one.
  auto line = line_bytes / element_bytes;
  auto lines = (count + line - 1) / line;
  auto at = [&](uint64_t n) { return std::min(count, lines * n / segment_.size() * line); };
  return {at(local), at(local + 1)};
}

Result<void> LocalGroup::all_reduce_small(const Signature& call, const void* in, void* out,
                                          size_t count, uint64_t divisor) {
  auto slots = small_slots();
  put(slots.of(segment_.local()), bytes_of(in), count * size_of(call.type));
  begin(call);
  TROUPE_TRY(all_begun(call));
  std::vector<const void*> inputs;
  std::array<const void*, 16> few;
  auto size = segment_.size();
  if (size > few.size()) inputs.resize(size);
  auto* places = size > few.size() ? inputs.data() : few.data();
  for (uint32_t local = 0; local < size; ++local) places[local] = slots.of(local);
  reduce(call.type, call.op, {places, size}, out, count, divisor);
  return ok();
}

Result<void> LocalGroup::all_reduce(const Signature& call, const void* in, void* out, size_t count,
                                    uint64_t divisor) {
  auto working = segment_.begin_call();
  ++call_;
  auto bytes = size_of(call.type);
  if (count * bytes <= segment_.shape().small_bytes)
    return all_reduce_small(call, in, out, count, divisor);
  auto per_stage = segment_.shape().slot_bytes / bytes;
  auto me = segment_.local();
  auto& mine = segment_.mine();
  std::vector<const void*> inputs(segment_.size());
  size_t last_begin = 0, last_count = 0;
  for (size_t begin_at = 0; begin_at < count; begin_at += per_stage) {
    auto elements = std::min(per_stage, count - begin_at);
    auto stage = ++stage_;
    if (stage > segment_.shape().stages)
      TROUPE_TRY(all_at(&RankState::out, stage - segment_.shape().stages));
    auto slots = stage_slots(stage);
    auto [mine_begin, mine_end] = part(elements, bytes, me);
    const auto* from = bytes_of(in) + begin_at * bytes;
    // My own part is read by nobody else, so it stays where it is.
    put(slots.of(me), from, mine_begin * bytes);
    put(slots.of(me) + mine_end * bytes, from + mine_end * bytes, (elements - mine_end) * bytes);
    if (begin_at == 0) {
      mine.in.store(stage, std::memory_order_release);
      begin(call);
      TROUPE_TRY(all_begun(call));
    } else {
      segment_.post(mine.in, stage);
      TROUPE_TRY(all_at(&RankState::in, stage));
    }
    for (uint32_t local = 0; local < segment_.size(); ++local)
      inputs[local] = (local == me ? from : slots.of(local)) + mine_begin * bytes;
    auto* result = segment_.result(stage) + mine_begin * bytes;
    reduce(call.type, call.op, inputs, result, mine_end - mine_begin, divisor);
    segment_.beat();
    segment_.post(mine.mid, stage);
    put(bytes_of(out) + (begin_at + mine_begin) * bytes, result, (mine_end - mine_begin) * bytes);
    if (begin_at != 0)
      TROUPE_TRY(take_results(stage - 1, bytes_of(out) + last_begin * bytes, last_count, bytes));
    last_begin = begin_at;
    last_count = elements;
  }
  return take_results(stage_, bytes_of(out) + last_begin * bytes, last_count, bytes);
}

Result<void> LocalGroup::take_results(uint64_t stage, std::byte* out, size_t count,
                                      size_t element_bytes) {
  const auto* result = segment_.result(stage);
  auto size = segment_.size();
  // The next rank's first: then no two ranks read one part at the same time.
  for (uint32_t step = 1; step < size; ++step) {
    auto local = (segment_.local() + step) % size;
    TROUPE_TRY(segment_.await(segment_.state(local).mid, stage, local));
    auto [begin_at, end] = part(count, element_bytes, local);
    put(out + begin_at * element_bytes, result + begin_at * element_bytes,
        (end - begin_at) * element_bytes);
  }
  segment_.post(segment_.mine().out, stage);
  return ok();
}

template <class CopyIn, class Take>
Result<void> LocalGroup::staged(const Signature& call, size_t count, size_t blocks, CopyIn copy_in,
                                Take take) {
  auto working = segment_.begin_call();
  ++call_;
  auto bytes = size_of(call.type) * blocks;
  if (count * bytes <= segment_.shape().small_bytes) {
    auto slots = small_slots();
    copy_in(slots, 0, count);
    begin(call);
    TROUPE_TRY(all_begun(call));
    take(slots, 0, count);
    return ok();
  }
  auto per_stage = segment_.shape().slot_bytes / bytes;
  auto& mine = segment_.mine();
  for (size_t begin_at = 0; begin_at < count; begin_at += per_stage) {
    auto elements = std::min(per_stage, count - begin_at);
    auto stage = ++stage_;
    if (stage > segment_.shape().stages)
      TROUPE_TRY(all_at(&RankState::out, stage - segment_.shape().stages));
    auto slots = stage_slots(stage);
    copy_in(slots, begin_at, elements);
    // Who reduces waits for `mid` of a stage; these calls have no such step.
    mine.mid.store(stage, std::memory_order_release);
    if (begin_at == 0) {
      mine.in.store(stage, std::memory_order_release);
      begin(call);
      TROUPE_TRY(all_begun(call));
    } else {
      segment_.post(mine.in, stage);
      TROUPE_TRY(all_at(&RankState::in, stage));
    }
    take(slots, begin_at, elements);
    segment_.post(mine.out, stage);
  }
  return ok();
}

Result<void> LocalGroup::broadcast(const Signature& call, void* data, size_t count, uint32_t root) {
  auto bytes = size_of(call.type);
  auto is_root = segment_.local() == root;
  return staged(
      call, count, 1,
      [&](const Slots& slots, size_t at, size_t elements) {
        if (is_root) put(slots.of(root), bytes_of(data) + at * bytes, elements * bytes);
      },
      [&](const Slots& slots, size_t at, size_t elements) {
        if (!is_root) put(bytes_of(data) + at * bytes, slots.of(root), elements * bytes);
      });
}

Result<void> LocalGroup::reduce_scatter(const Signature& call, const void* in, void* out,
                                        size_t count, uint64_t divisor) {
  auto bytes = size_of(call.type);
  auto me = segment_.local();
  std::vector<const void*> inputs(segment_.size());
  return staged(
      call, count, segment_.size(),
      [&](const Slots& slots, size_t at, size_t elements) {
        for (uint32_t to = 0; to < segment_.size(); ++to)
          put(slots.of(me) + to * elements * bytes, bytes_of(in) + (to * count + at) * bytes,
              elements * bytes);
      },
      [&](const Slots& slots, size_t at, size_t elements) {
        for (uint32_t local = 0; local < segment_.size(); ++local)
          inputs[local] = slots.of(local) + me * elements * bytes;
        reduce(call.type, call.op, inputs, bytes_of(out) + at * bytes, elements, divisor);
      });
}

Result<void> LocalGroup::all_gather(const Signature& call, const void* in, void* out,
                                    size_t count) {
  auto bytes = size_of(call.type);
  auto me = segment_.local();
  return staged(
      call, count, 1,
      [&](const Slots& slots, size_t at, size_t elements) {
        put(slots.of(me), bytes_of(in) + at * bytes, elements * bytes);
      },
      [&](const Slots& slots, size_t at, size_t elements) {
        for (uint32_t local = 0; local < segment_.size(); ++local)
          put(bytes_of(out) + (local * count + at) * bytes, slots.of(local), elements * bytes);
      });
}

Result<void> LocalGroup::all_to_all(const Signature& call, const void* in, void* out,
                                    size_t count) {
  auto bytes = size_of(call.type);
  auto me = segment_.local();
  return staged(
      call, count, segment_.size(),
      [&](const Slots& slots, size_t at, size_t elements) {
        for (uint32_t to = 0; to < segment_.size(); ++to)
          put(slots.of(me) + to * elements * bytes, bytes_of(in) + (to * count + at) * bytes,
              elements * bytes);
      },
      [&](const Slots& slots, size_t at, size_t elements) {
        for (uint32_t local = 0; local < segment_.size(); ++local)
          put(bytes_of(out) + (local * count + at) * bytes, slots.of(local) + me * elements * bytes,
              elements * bytes);
      });
}

}  // namespace troupe::comm
