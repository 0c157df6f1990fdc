// Collective calls among the ranks of one host, through a Segment. What the calls mean is said in
// communicator.hpp. One object a rank; its calls come from one thread at a time.
//
// A long vector goes through in stages. In each, a rank puts the others' parts of its input into
// its slot, waits until all have, reduces its own part of all slots into the stage's result, and
// one stage later takes the others' parts from there:
//
//   copy in -> `in` -> all `in`? -> reduce my part -> `mid` -> all `mid`? -> copy out -> `out`
//
// A slot is used again when every rank's `out` says so. Short vectors take one step: all put theirs
// into small slots, of which there are two in turn, and every rank reads all of them.
#pragma once

#include "gpu/comm/segment.hpp"

namespace troupe::comm {

class LocalGroup {
 public:
  explicit LocalGroup(Segment& segment) : segment_{segment} {}

  Result<void> barrier(const Signature& call);
  /// `divisor` for avg; 1 leaves the sum.
  Result<void> all_reduce(const Signature& call, const void* in, void* out, size_t count,
                          uint64_t divisor);
  Result<void> broadcast(const Signature& call, void* data, size_t count, uint32_t root);
  Result<void> reduce_scatter(const Signature& call, const void* in, void* out, size_t count,
                              uint64_t divisor);
  Result<void> all_gather(const Signature& call, const void* in, void* out, size_t count);
  Result<void> all_to_all(const Signature& call, const void* in, void* out, size_t count);

 private:
  /// The slots of all ranks in one stage, or the small ones.
  struct Slots {
    std::byte* first;
    uint64_t stride;
    std::byte* of(uint32_t local) const { return first + local * stride; }
  };
  Slots stage_slots(uint64_t stage) const;
  Slots small_slots() const;

  /// memcpy, but nothing where there is nothing to do; beats meanwhile.
  void put(std::byte* to, const std::byte* from, size_t bytes);
  void begin(const Signature& call);
  /// Until all have begun the call; an error where one made another call.
  Result<void> all_begun(const Signature& call);
  Result<void> all_at(std::atomic<uint64_t> RankState::*counter, uint64_t value);
  Result<void> all_reduce_small(const Signature& call, const void* in, void* out, size_t count,
                                uint64_t divisor);
  /// Elements [first, second) of a stage's `count` that `local` reduces.
  std::pair<size_t, size_t> part(size_t count, size_t element_bytes, uint32_t local) const;
  Result<void> take_results(uint64_t stage, std::byte* out, size_t count, size_t element_bytes);
  /// Calls copy_in(slots, begin, elements) and, when all have, take(slots, begin, elements), for
  /// `count` elements of which a rank has `blocks` times as many in its slot.
  template <class CopyIn, class Take>
  Result<void> staged(const Signature& call, size_t count, size_t blocks, CopyIn copy_in,
                      Take take);

  Segment& segment_;
  uint64_t call_ = 0;
  uint64_t stage_ = 0;
};

}  // namespace troupe::comm
