#include "runtime/core/lease.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

using namespace std::chrono_literals;

TEST(Lease, IsCountedFromWhenTheQuestionWasSent) {
  Lease lease{10s};
  EXPECT_EQ(lease.until(lease.term(5s), 5s), 0s) << "nobody answered yet";
  lease.renew(100s, 103s);
  EXPECT_EQ(lease.until(lease.term(103s), 103s), 110s) << "an answer that took three seconds";
  EXPECT_EQ(lease.until(lease.term(110s), 110s), 0s);
}

TEST(Lease, IsNeverShortenedByALateAnswer) {
  Lease lease{10s};
  lease.renew(105s, 105s);
  lease.renew(101s, 106s);
  EXPECT_EQ(lease.until(lease.term(106s), 106s), 115s);
}

TEST(Lease, AnAnswerThatCameTooLateRenewsNothing) {
  Lease lease{10s};
  lease.renew(100s, 110s);
  EXPECT_EQ(lease.until(lease.term(110s), 110s), 0s);
}

TEST(Lease, BeginsANewTermWhenItHadRunOut) {
  Lease lease{10s};
  auto first = lease.term(0s);
  EXPECT_EQ(lease.until(first, 0s), 0s) << "it has not begun";
  lease.renew(100s, 100s);
  lease.renew(109s, 109s);
  EXPECT_EQ(lease.term(109s), first);
  EXPECT_EQ(lease.until(first, 109s), 119s);
  auto second = lease.term(119s);
  EXPECT_NE(second, first) << "an order that comes now is for the next one";
  lease.renew(118s, 120s);
  EXPECT_EQ(lease.until(first, 120s), 0s) << "its job may be somebody else's by now";
  EXPECT_EQ(lease.until(second, 120s), 128s);
}

TEST(LeaseTerm, WithoutALeaseIsOver) {
  EXPECT_EQ(LeaseTerm{}.until(0s), 0s);
}

}  // namespace
}  // namespace troupe
