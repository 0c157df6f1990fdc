#include "runtime/process/port_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::process {
namespace {

using ::testing::HasSubstr;

/// Far from what jobs of this machine get. Each test has ports of its own: they run at one time.
constexpr uint16_t ports_of_test(uint16_t number) {
  return static_cast<uint16_t>(17000 + 100 * number);
}

bool can_bind(uint16_t port) {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  return ::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0;
}

TEST(PortBook, HoldsPortsUntilTheJobStarts) {
  constexpr auto begin_at = ports_of_test(0);
  PortBook book{begin_at, begin_at + 64};
  auto first = book.take("1", 5, 5);
  ASSERT_TRUE(first) << to_string(first.error());
  for (uint16_t i = 0; i < 5; ++i) EXPECT_FALSE(can_bind(static_cast<uint16_t>(*first + i)));
  auto again = book.take("1", 5, 5);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
  book.let_go("1", 2);
  book.let_go("1", 7);
  for (uint16_t i = 0; i < 5; ++i)
    EXPECT_EQ(can_bind(static_cast<uint16_t>(*first + i)), i == 2) << i;
  book.let_go("1");
  for (uint16_t i = 0; i < 5; ++i) EXPECT_TRUE(can_bind(static_cast<uint16_t>(*first + i)));
}

TEST(PortBook, GivesNoPortToTwoJobsAlsoOfOtherBooks) {
  constexpr auto begin_at = ports_of_test(1);
  PortBook one{begin_at, begin_at + 64}, other{begin_at, begin_at + 64};
  std::set<uint16_t> given;
  for (int i = 0; i < 4; ++i)
    for (auto* book : {&one, &other}) {
      auto first = book->take(std::to_string(i), 6, 6);
      ASSERT_TRUE(first) << to_string(first.error());
      book->let_go(std::to_string(i));  // nothing is bound, and still it is taken
      for (uint16_t port = 0; port < 6; ++port)
        EXPECT_TRUE(given.insert(static_cast<uint16_t>(*first + port)).second);
    }
  auto none = one.take("9.worker.0/21474836494/0", 6, 6);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::exhausted);
  EXPECT_EQ(none.error().what, "no ports are free for job 9.worker.0");
  EXPECT_THAT(none.error().detail, HasSubstr(std::to_string(begin_at)));
  one.release("0");
  EXPECT_TRUE(one.take("9", 6, 6));
}

TEST(PortBook, LeavesOutWhatSomebodyElseUses) {
  constexpr auto begin_at = ports_of_test(2);
  UniqueFd stranger{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(begin_at + 1);
  ASSERT_EQ(::bind(stranger.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
  PortBook book{begin_at, begin_at + 16};
  auto first = book.take("1", 4, 4);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, begin_at + 8);
}

TEST(PortBook, TakesNeighbouringBlocksForManyProcesses) {
  constexpr auto begin_at = ports_of_test(3);
  PortBook book{begin_at, begin_at + 32};
  auto first = book.take("1", 30, 30);
  ASSERT_TRUE(first) << to_string(first.error());
  EXPECT_EQ(*first, begin_at) << "wherever the book began to look";
  EXPECT_FALSE(book.take("2", 9, 9));
  book.release("1");
  auto second = book.take("2", 9, 9);
  ASSERT_TRUE(second) << to_string(second.error());
  auto third = book.take("3", 9, 9);
  EXPECT_EQ(third.has_value(), (*second - begin_at) % 16 == 0)
      << "two halves, or one in the middle";
}

TEST(PortBook, KeepsWhatAnEarlierWorkerHadGivenOut) {
  constexpr auto begin_at = ports_of_test(4);
  PortBook book{begin_at, begin_at + 16};
  book.keep("old", begin_at, 8);
  auto first = book.take("new", 4, 4);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, begin_at + 8);
  EXPECT_FALSE(book.take("third", 4, 4));
}

}  // namespace
}  // namespace troupe::process
