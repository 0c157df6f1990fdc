#include "gpu/comm/late_rank.hpp"
#include "gpu/comm/segment.hpp"
#include "gpu/comm/segment_layout.hpp"

#include <fmt/format.h>

#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::comm {

namespace {

// How long a dead rank can go unnoticed by one that sleeps.
constexpr std::chrono::milliseconds tick{10};
// What a rank does inside of a call takes less than this; one that takes longer is kept from it.
constexpr std::chrono::milliseconds soon{5};

using Clock = std::chrono::steady_clock;

// Not the private kind: the waiters are other processes.
void futex_wait(std::atomic<uint32_t>& word, uint32_t value, std::chrono::milliseconds at_most) {
  timespec time{at_most.count() / 1000, at_most.count() % 1000 * 1'000'000};
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT, value, &time, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE, INT_MAX, nullptr, nullptr,
            0);
}

}  // namespace

// Who waits says so and looks again; who posts writes and then looks who waits. Both in the one
// order that sequentially consistent operations have: one of the two sees the other.
void Segment::post(std::atomic<uint64_t>& counter, uint64_t value) {
  counter.store(value);
  if (header().parked_count.load() == 0) return;
  for (uint32_t local = 0; local < size(); ++local)
    if (local != local_) wake(local);
}

void Segment::post_to(std::atomic<uint64_t>& counter, uint64_t value, uint32_t local) {
  counter.store(value);
  if (header().parked_count.load() != 0) wake(local);
}

void Segment::wake(uint32_t local) {
  auto& parked = state(local).parked;
  if (parked.load() != 0 && parked.exchange(0) != 0) futex_wake(parked);
}

void Segment::wake_all() {
  for (uint32_t local = 0; local < size(); ++local)
    if (local != local_) wake(local);
}

void Segment::prepare_park() {
  if (!prepared_) header().parked_count.fetch_add(1);
  prepared_ = true;
  mine().parked.store(1);
}

void Segment::park(std::chrono::milliseconds at_most) {
  futex_wait(mine().parked, 1, at_most);
}

void Segment::unpark() {
  if (!prepared_) return;
  prepared_ = false;
  mine().parked.store(0);
  header().parked_count.fetch_sub(1);
}

void Segment::tell_processor() {
  auto now = ::sched_getcpu() + 1;
  if (now == processor_) return;
  processor_ = now;
  mine().processor.store(now, std::memory_order_relaxed);
}

/// Two ranks that wake each other end up on one processor, beside others that are idle, and stay
/// there for as long as the kernel takes to balance, which is longer than thousands of small calls.
/// The later one leaves. Each time it waits twice as long with the next step: where there is no
/// better place it is as if there were none.
void Segment::step_aside() {
  if (++ways_given_ < next_step_) return;
  ways_given_ = 0;
  if (mine().being_moved.exchange(1) == 0) {
    leave_shared_processor();
    mine().being_moved.store(0);
  }
}

void Segment::leave_shared_processor() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  auto others = allowed;
  if (auto taken = taken_processor(); taken >= 0) CPU_CLR(static_cast<size_t>(taken), &others);
  bool shared = false;
  for (uint32_t local = 0; local < size(); ++local) {
    auto processor = state(local).processor.load(std::memory_order_relaxed);
    if (local == local_ || processor == 0) continue;
    shared |= local < local_ && processor == processor_;
    CPU_CLR(static_cast<size_t>(processor - 1), &others);
  }
  if (!shared || CPU_COUNT(&others) == 0) return;
  next_step_ *= 2;
  // The first moves it; the second lets it go wherever it might before.
  if (::sched_setaffinity(0, sizeof others, &others) == 0)
    ::sched_setaffinity(0, sizeof allowed, &allowed);
}

Result<void> Segment::await_longer(const std::atomic<uint64_t>& counter, uint64_t value,
                                   uint32_t local) {
  for (uint32_t i = 0; i < budget_.looks(); ++i) {
    relax();
    beat();
    if (counter.load(std::memory_order_acquire) < value) continue;
    budget_.came_by_looking();
    return ok();
  }
  tell_processor();
  auto begin = Clock::now();
  auto patient = [&](uint32_t yields) {
    auto waited = Clock::now() - begin;
    return yields < patience_.yields || waited < patience_.yield_time ||
           (waited < soon && is_at_work(local));
  };
  LateRank late{*this, local};
  for (uint32_t i = 0; patient(i); ++i) {
    if (late.stands() && lend_processor(local)) break;
    ::sched_yield();
    tell_processor();
    beat();
    if (counter.load(std::memory_order_acquire) < value) continue;
    waited_ += Clock::now() - begin;
    budget_.came_by_yielding(i + 1);
    step_aside();
    return ok();
  }
  budget_.came_by_waiting();
  auto result = await_parked(counter, value, local);
  unpark();
  waited_ += Clock::now() - begin;
  return result;
}

Result<void> Segment::await_parked(const std::atomic<uint64_t>& counter, uint64_t value,
                                   uint32_t local) {
  auto until = Clock::now() + patience_.deadline;
  auto next_look = Clock::now() + tick;
  while (true) {
    prepare_park();
    if (counter.load() >= value) return ok();
    if (auto cause = failure()) return *cause;
    park(tick);
    tell_processor();
    if (counter.load() >= value) return ok();
    auto now = Clock::now();
    if (now < next_look) continue;
    next_look = now + tick;
    if (watch_)
      if (auto cause = watch_()) return fail(*cause);
    if (auto lost = loss_of(local)) {
      // What it did last may have come between the two looks.
      if (counter.load() >= value) return ok();
      return fail(*lost);
    }
    if (now >= until)
      return fail(Error{Errc::timed_out, fmt::format("rank {} did not come", state(local).rank),
                        fmt::format("waited {} ms; its process {} lives",
                                    patience_.deadline.count(), state(local).pid),
                        "see whether it is stopped, or makes other calls than the rest"});
  }
}

}  // namespace troupe::comm
