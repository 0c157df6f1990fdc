// What counts against a node.
#include "actors/head/node_failures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Failures : public ::testing::Test {
 protected:
  void fail(uint64_t experiment, std::chrono::seconds at, const std::string& what) {
    failures.add({when(at), {experiment, 0}, what}, rules);
  }
  static Timestamp when(std::chrono::seconds at) {
    return {1'700'000'000'000'000 + std::chrono::microseconds{at}.count()};
  }
  std::vector<uint64_t> ids() const {
    std::vector<uint64_t> list;
    for (const auto& each : failures.list()) list.push_back(each.experiment.top);
    return list;
  }

  NodeRules rules;
  NodeFailures failures;
};

using namespace std::chrono_literals;

TEST_F(Failures, OfThreeExperimentsAreTooMany) {
  fail(1, 0s, "a");
  fail(2, 10s, "b");
  EXPECT_FALSE(failures.too_many(rules));
  fail(3, 20s, "c");
  EXPECT_TRUE(failures.too_many(rules));
  EXPECT_THAT(failures.summary(), HasSubstr("3 experiments failed by its fault: 1, 2, 3"));
  EXPECT_THAT(failures.texts().back(), HasSubstr("3: c"));
  rules.failures_max = 0;
  EXPECT_FALSE(failures.too_many(rules));
}

TEST_F(Failures, OfOneExperimentCountOnce) {
  for (int i = 0; i < 9; ++i) fail(1, 100s * i, std::to_string(i));
  EXPECT_THAT(ids(), ElementsAre(1));
  EXPECT_EQ(failures.list()[0].what, "8");
}

TEST_F(Failures, OfOneCauseCountOnce) {
  for (uint64_t i = 1; i < 9; ++i) fail(i, 0s, "its node w1 is gone");
  EXPECT_THAT(ids(), ElementsAre(1));
  fail(2, 3s, "its node w1 is gone");
  EXPECT_THAT(ids(), ElementsAre(1, 2)) << "it was gone again";
}

TEST_F(Failures, CountForADay) {
  fail(1, 0s, "a");
  fail(2, 20h, "b");
  fail(3, 25h, "c");
  EXPECT_THAT(ids(), ElementsAre(2, 3));
  failures.expire(when(60h), rules);
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(Failures, AreTheSameWhenReadBack) {
  fail(1, 0s, "a");
  failures.add({when(5s), {7, 3}, "b"}, rules);
  EXPECT_EQ(NodeFailures::from(failures.to_value()), failures);
  EXPECT_THAT(NodeFailures::from(Value{}).list(), IsEmpty());
}

}  // namespace
}  // namespace troupe::actors
