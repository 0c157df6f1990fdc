#include "gpu/comm/measure.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace troupe::comm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t KiB = 1024, MiB = 1024 * KiB;

TEST(Measure, SizesGrowFourfoldAndEndWhereTheyAreToldTo) {
  EXPECT_THAT(sizes_up_to(100 * KiB), ElementsAre(1 * KiB, 4 * KiB, 16 * KiB, 64 * KiB, 100 * KiB));
  EXPECT_THAT(sizes_up_to(1 * KiB), ElementsAre(1 * KiB));
  EXPECT_THAT(sizes_up_to(1), ElementsAre(4u));
}

TEST(Measure, RatesAreThoseOfTheVectorAndOfARing) {
  Measured measured{4, 1};
  MeasuredSize size{64 * MiB, 0.01, 0.005};
  EXPECT_DOUBLE_EQ(algorithm_rate(size), 64.0 * MiB / 0.01);
  EXPECT_DOUBLE_EQ(bus_rate(measured, size), 1.5 * algorithm_rate(size));
}

TEST(Measure, SaysNothingOfVectorsThatAreTooSmall) {
  Measured measured{2, 1, 32 * MiB, 0, {{1 * KiB, 1e-6, 1e-7}, {4 * KiB, 3e-6, 1e-6}}};
  EXPECT_FALSE(part_of_limit(measured, measured.sizes[1])) << "most of the call is its start";
  measured.sizes.push_back({16 * MiB, 4e-3, 2e-3});
  EXPECT_FALSE(part_of_limit(measured, measured.sizes[2])) << "both vectors lie in the cache";
  EXPECT_THAT(doubts(measured), ElementsAre(HasSubstr("2 of them lie in the cache of 32 MiB")));
  measured.sizes.push_back({64 * MiB, 10e-3, 8e-3});
  EXPECT_DOUBLE_EQ(part_of_limit(measured, measured.sizes[3]).value_or(0), 0.8);
  EXPECT_THAT(doubts(measured), IsEmpty());
}

TEST(Measure, DoubtsALinkThatIsNotFullYet) {
  Measured measured{4, 2, 32 * MiB, 1e9, {{1 * KiB, 100e-6, 1e-6}, {1 * MiB, 3e-3, 1e-3}}};
  measured.sizes.push_back({4 * MiB, 8e-3, 4e-3});
  EXPECT_THAT(doubts(measured), ElementsAre(HasSubstr("still rises from 1 MiB to 4 MiB")));
  measured.sizes.push_back({16 * MiB, 31e-3, 16e-3});
  EXPECT_THAT(doubts(measured), IsEmpty());
}

/// Three ranks, by shared memory or each on a host of its own; what rank 0 measured.
Result<Measured> measured_by_threads(bool one_host) {
  auto store = std::make_shared<MemoryStore>();
  std::vector<Result<Measured>> results(3, Error{});
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      Options options;
      options.rank = rank;
      options.size = 3;
      options.store = store;
      options.secret = "secret";
      options.host = one_host ? "host" : "host " + std::to_string(rank / 2);
      auto ranks = Communicator::open(options);
      results[rank] =
          ranks ? measure_all_reduce(**ranks, sizes_up_to(64 * KiB), std::chrono::milliseconds{5})
                : Result<Measured>{ranks.error()};
    });
  for (auto& thread : threads) thread.join();
  for (auto& result : results) EXPECT_TRUE(result) << to_string(result.error());
  return results[0];
}

TEST(Measure, RanksOfOneHostAreHeldAgainstMemory) {
  auto measured = measured_by_threads(true);
  ASSERT_TRUE(measured);
  EXPECT_EQ(measured->ranks, 3u);
  EXPECT_EQ(measured->hosts, 1u);
  EXPECT_EQ(measured->link_bytes_a_second, 0);
  ASSERT_EQ(measured->sizes.size(), 4u);
  for (const auto& size : measured->sizes) {
    EXPECT_GT(size.seconds, 0) << size.bytes;
    EXPECT_GT(size.limit_seconds, 0) << size.bytes;
  }
}

TEST(Measure, RanksOfSeveralHostsAreHeldAgainstTheLink) {
  auto measured = measured_by_threads(false);
  ASSERT_TRUE(measured);
  EXPECT_EQ(measured->hosts, 2u);
  EXPECT_GT(measured->link_bytes_a_second, 0);
  const auto& size = measured->sizes.back();
  EXPECT_DOUBLE_EQ(size.limit_seconds,
                   static_cast<double>(size.bytes) / measured->link_bytes_a_second);
}

}  // namespace
}  // namespace troupe::comm
