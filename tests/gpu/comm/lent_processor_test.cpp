// A rank that is kept from running gets the processor of one that waits for it.
#include "gpu/comm/late_rank.hpp"
#include "gpu/comm/segment.hpp"

#include <gtest/gtest.h>

#include <sched.h>
#include <set>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe::comm {
namespace {

using Clock = std::chrono::steady_clock;

class LentProcessor : public ::testing::Test {
 protected:
  Segment rank(uint32_t local) {
    auto segment = Segment::attach_mapped(memory_.data()->bytes, shape_, local, local, Patience{});
    return std::move(segment.value());
  }

 private:
  struct alignas(4096) Page {
    std::byte bytes[4096] = {};
  };
  SegmentShape shape_{2, 3, 4096, 1024, 4096};
  std::vector<Page> memory_ = std::vector<Page>(Segment::layout_bytes(shape_) / sizeof(Page));
};

void run_on(const std::set<int>& processors, pid_t thread = 0) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int processor : processors) CPU_SET(static_cast<size_t>(processor), &set);
  ASSERT_EQ(::sched_setaffinity(thread, sizeof set, &set), 0);
}

std::set<int> allowed_of(pid_t thread) {
  cpu_set_t allowed;
  ::sched_getaffinity(thread, sizeof allowed, &allowed);
  std::set<int> all;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(static_cast<size_t>(processor), &allowed)) all.insert(processor);
  return all;
}

TEST_F(LentProcessor, ARankIsAtWorkInACallUntilItSleeps) {
  auto first = rank(0), second = rank(1);
  EXPECT_FALSE(first.is_at_work(1));
  {
    auto working = second.begin_call();
    EXPECT_TRUE(first.is_at_work(1));
    second.prepare_park();
    EXPECT_FALSE(first.is_at_work(1));
    second.unpark();
    EXPECT_TRUE(first.is_at_work(1));
  }
  EXPECT_FALSE(first.is_at_work(1));
}

TEST_F(LentProcessor, WhoBeatsDoesNotStand) {
  auto first = rank(0), second = rank(1);
  auto working = second.begin_call();
  LateRank late{first, 1};
  for (auto until = Clock::now() + std::chrono::milliseconds{20}; Clock::now() < until;) {
    second.beat();
    ASSERT_FALSE(late.stands());
  }
  // Without a beat between two looks, which lie apart.
  EXPECT_FALSE(late.stands());
  auto deadline = Clock::now() + std::chrono::seconds{10};
  while (!late.stands()) ASSERT_LT(Clock::now(), deadline);
}

TEST_F(LentProcessor, WhoSleepsDoesNotStand) {
  auto first = rank(0), second = rank(1);
  auto working = second.begin_call();
  second.prepare_park();
  LateRank late{first, 1};
  for (auto until = Clock::now() + std::chrono::milliseconds{5}; Clock::now() < until;)
    ASSERT_FALSE(late.stands());
  second.unpark();
}

TEST_F(LentProcessor, IsWhereTheLateRankGoesOnAndNoLongerBoundTo) {
  auto all = allowed_of(0);
  if (all.size() < 2) GTEST_SKIP() << "needs two processors";
  auto first = rank(0), second = rank(1);
  std::atomic<pid_t> late{0};
  std::atomic<bool> came{false}, done{false};
  const int theirs = *all.begin(), ours = *all.rbegin();
  std::thread other{[&] {
    run_on({theirs});
    auto working = second.begin_call();
    late = ::gettid();
    // It works, and does not know that somebody waits.
    while (::sched_getcpu() != ours) {
    }
    came = true;
    while (!done) std::this_thread::yield();
  }};
  while (late == 0) std::this_thread::yield();
  auto deadline = Clock::now() + std::chrono::seconds{30};
  run_on({ours});
  // One that may not run here is not moved.
  EXPECT_FALSE(first.lend_processor(1));
  EXPECT_EQ(allowed_of(late), std::set<int>{theirs});
  EXPECT_EQ(first.taken_processor(), -1);
  run_on({theirs, ours}, late);
  bool lent = false;
  while (!came && Clock::now() < deadline) {
    lent = first.lend_processor(1) || lent;
    EXPECT_EQ(allowed_of(late), (std::set<int>{theirs, ours}));
    std::this_thread::yield();
  }
  EXPECT_TRUE(came);
  // The kernel itself may have moved it before; then there was nothing to lend.
  if (lent) {
    EXPECT_EQ(first.taken_processor(), theirs);
  }
  done = true;
  other.join();
  run_on(all);
}

}  // namespace
}  // namespace troupe::comm
