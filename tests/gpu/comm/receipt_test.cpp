#include "gpu/comm/receipt.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace troupe::comm {
namespace {

/// So many ranks, each on a thread and by TCP; the ranks from `staying` on never come.
std::vector<Result<ShortLook>> looks(uint32_t size, uint32_t staying) {
  auto store = std::make_shared<MemoryStore>();
  std::vector<Result<ShortLook>> results(staying, Error{});
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < staying; ++rank)
    threads.emplace_back([&, rank] {
      Options options;
      options.rank = rank;
      options.size = size;
      options.store = store;
      options.secret = "secret";
      options.shared_memory = false;
      if (staying < size) options.join_deadline = std::chrono::milliseconds{200};
      auto ranks = Communicator::open(options);
      results[rank] = ranks ? look_briefly(**ranks) : Result<ShortLook>{ranks.error()};
    });
  for (auto& thread : threads) thread.join();
  return results;
}

TEST(ShortLook, SeesAllOfEachRankWhetherTheyAreEvenOrOdd) {
  for (uint32_t size : {2u, 3u, 4u})
    for (const auto& look : looks(size, size)) {
      ASSERT_TRUE(look) << to_string(look.error());
      EXPECT_GT(look->copy, 0u) << size;
      EXPECT_GT(look->link, 0u) << size;
      EXPECT_GT(look->all_reduce, 0u) << size;
      EXPECT_GT(look->latency_ns, 0u) << size;
    }
}

TEST(ShortLook, IsAnErrorWhereARankStaysAway) {
  for (const auto& look : looks(3, 2)) EXPECT_FALSE(look);
}

}  // namespace
}  // namespace troupe::comm
