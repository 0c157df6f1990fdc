// The memory that the ranks of one host share: counters by which they wait for each other, slots
// for data, and the cause where a call has failed. It has no name in any file system: nothing is
// left behind, however its ranks end. One object a rank; its calls come from one thread at a time.
#pragma once

#include "gpu/comm/spin_budget.hpp"
#include "gpu/comm/types.hpp"
#include "runtime/core/fd.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace troupe::comm {

/// A cache line and its neighbour, which processors fetch with it.
constexpr size_t line_bytes = 128;

/// How ranks wait. The first numbers decide how much a rank that waits takes from those that work.
struct Patience {
  // A call that stands still for so long ends.
  std::chrono::milliseconds deadline{std::chrono::minutes{10}};
  // About 30 us of looking at most: longer than a rank that runs needs for the small sizes.
  uint32_t spins = 2000;
  // Then others may run, which is quicker than sleeping where they have little to do.
  uint32_t yields = 20;
  // In memory at least so long, which is more than the kernel takes to move a rank: who sleeps
  // meanwhile is woken beside it again.
  std::chrono::microseconds yield_time{200};
};

/// What one rank writes and the others read. Counters only grow.
struct alignas(line_bytes) RankState {
  std::atomic<uint64_t> entered{0};                  // calls
  std::atomic<uint64_t> in{0};                       // stages whose input is in its slot
  Signature calls[2];                                // of the last two calls
  alignas(line_bytes) std::atomic<uint64_t> mid{0};  // stages of which it has reduced its part
  alignas(line_bytes) std::atomic<uint64_t> out{0};  // stages that it has read all of
  alignas(line_bytes) std::atomic<uint32_t> parked{0};
  std::atomic<uint32_t> presence{0};     // a Presence
  std::atomic<int32_t> processor{0};     // 1 + the one that it waited on last; 0: it has not waited
  std::atomic<uint32_t> being_moved{0};  // by one of the others
  // Written every few microseconds while it runs in a call, whether it works or waits.
  alignas(line_bytes) std::atomic<uint64_t> beats{0};
  std::atomic<int32_t> thread{0};  // that is in a call; 0: none is
  uint32_t rank = 0;               // in the whole communicator
  int32_t pid = 0;
  uint64_t process = 0;  // random: tells ranks of one process from others
};

/// Bytes from one rank to another, in order.
struct Channel {
  alignas(line_bytes) std::atomic<uint64_t> written{0};
  alignas(line_bytes) std::atomic<uint64_t> taken{0};
};

struct SegmentShape {
  uint32_t ranks = 1;
  uint32_t stages = 4;           // that may be under way at once
  uint64_t slot_bytes = 0;       // of one rank in one stage
  uint64_t small_bytes = 16384;  // up to here all ranks read all inputs at once
  uint64_t channel_bytes = 65536;
  bool operator==(const SegmentShape&) const = default;
};
/// Slots that fit into the processor's cache together.
SegmentShape shape_for(uint32_t ranks);

class Segment {
 public:
  /// Makes the memory; the others attach to its descriptor.
  static Result<UniqueFd> create(const SegmentShape& shape, const std::string& name);
  /// Maps it as the `local`-th of its ranks; `rank` is its number in the communicator.
  static Result<Segment> attach(UniqueFd fd, const SegmentShape& shape, uint32_t local,
                                uint32_t rank, const Patience& patience);
  /// For ranks that are threads of one process: `base` is memory of layout_bytes() zeros that
  /// outlives them all.
  static Result<Segment> attach_mapped(std::byte* base, const SegmentShape& shape, uint32_t local,
                                       uint32_t rank, const Patience& patience);
  static uint64_t layout_bytes(const SegmentShape& shape);
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&&) = delete;
  ~Segment();

  uint32_t size() const { return shape_.ranks; }
  uint32_t local() const { return local_; }
  const SegmentShape& shape() const { return shape_; }
  const Patience& patience() const { return patience_; }
  RankState& state(uint32_t local) const { return states_[local]; }
  RankState& mine() const { return states_[local_]; }
  std::byte* slot(uint64_t stage, uint32_t local) const;
  std::byte* result(uint64_t stage) const;
  std::byte* small(uint64_t call, uint32_t local) const;
  Channel& channel(uint32_t from, uint32_t to) const;
  std::byte* channel_data(uint32_t from, uint32_t to) const;

  /// Stores, and wakes who waits for it.
  void post(std::atomic<uint64_t>& counter, uint64_t value);
  /// The same where `local` alone can be waiting.
  void post_to(std::atomic<uint64_t>& counter, uint64_t value, uint32_t local);
  /// Until a counter of that rank has come so far.
  Result<void> await(const std::atomic<uint64_t>& counter, uint64_t value, uint32_t local) {
    if (counter.load(std::memory_order_acquire) >= value) return ok();
    return await_longer(counter, value, local);
  }

  /// For as long as this rank is in a call.
  class Working {
   public:
    explicit Working(std::atomic<int32_t>& thread) : thread_{thread} {}
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;
    ~Working() { thread_.store(0, std::memory_order_relaxed); }

   private:
    std::atomic<int32_t>& thread_;
  };
  [[nodiscard]] Working begin_call();
  /// That this rank runs.
  void beat() {
    auto& beats = mine().beats;
    beats.store(beats.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// Whether it is in a call, and not asleep: then it beats for as long as it has a processor.
  bool is_at_work(uint32_t local) const;
  /// Puts a rank that stands in another processor's queue onto this one's, which the caller leaves
  /// to it by sleeping. False: it may not run here, or another is moving it.
  bool lend_processor(uint32_t local);
  /// The processor that another program was found to have not long ago, or -1.
  int taken_processor() const;

  /// Tells all ranks that nothing will be finished any more. The first cause stays; it is answered.
  Error fail(const Error& cause);
  /// The cause, where something has failed.
  std::optional<Error> failure() const;
  /// What else can end a wait: asked every few milliseconds.
  void also_watch(std::function<std::optional<Error>()> watch) { watch_ = std::move(watch); }
  /// Why this rank will never do anything more; nothing while it lives.
  std::optional<Error> loss_of(uint32_t local) const;
  /// Whether that is for good: it has closed its communicator.
  bool has_left(uint32_t local) const;

  /// For waits of another kind: after prepare_park(), whatever is posted ends park().
  void prepare_park();
  void park(std::chrono::milliseconds at_most);
  void unpark();
  bool is_prepared() const { return prepared_; }
  /// In await(), so far: what went beyond the first looks.
  std::chrono::nanoseconds waited() const { return waited_; }

 private:
  struct Header;
  static void write_header(std::byte* base, const SegmentShape& shape);
  Result<void> join(uint32_t rank);
  Segment(UniqueFd fd, std::byte* base, const SegmentShape& shape, uint32_t local,
          const Patience& patience);
  Result<void> await_longer(const std::atomic<uint64_t>& counter, uint64_t value, uint32_t local);
  Result<void> await_parked(const std::atomic<uint64_t>& counter, uint64_t value, uint32_t local);
  void tell_processor();
  void step_aside();
  void leave_shared_processor();
  void wake(uint32_t local);
  void wake_all();
  Header& header() const;

  UniqueFd fd_;
  std::byte* base_ = nullptr;
  SegmentShape shape_;
  Patience patience_;
  SpinBudget budget_;
  uint32_t local_ = 0;
  RankState* states_ = nullptr;
  bool prepared_ = false;
  std::chrono::nanoseconds waited_{0};
  int32_t processor_ = 0;    // as told
  uint32_t ways_given_ = 0;  // waits that giving way ended
  uint32_t next_step_ = 8;   // the one of these after which it steps aside
  std::function<std::optional<Error>()> watch_;
};

/// One step of waiting without giving the processor away.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace troupe::comm
