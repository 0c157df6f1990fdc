// Times of nodes that fit each other, and those that do not.
#include "runtime/core/node_rules.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

using namespace std::chrono_literals;

NodeRules with(Duration suspect, Duration lost) {
  NodeRules rules;
  rules.suspect_after = suspect;
  rules.lost_after = lost;
  return rules;
}

TEST(NodeRules, AreSoundByDefault) {
  EXPECT_TRUE(check(NodeRules{}));
  EXPECT_EQ(NodeRules{}.machine_lost_after(), limits::machine_lost_after);
}

TEST(NodeRules, GiveASilentMachineUpSoonerButNotBeforeItIsDoubted) {
  EXPECT_EQ(with(3s, 17s).machine_lost_after(), 11s);
  for (auto rules : {with(2s, 4s), with(3s, 60s), with(30s, 1h)}) {
    EXPECT_GT(rules.machine_lost_after(), rules.suspect_after);
    EXPECT_LT(rules.machine_lost_after(), rules.lost_after);
  }
}

TEST(NodeRules, WhoGivesUpSoonerAsksMoreOften) {
  EXPECT_EQ(NodeRules{}.beat_every(), 1s);
  EXPECT_EQ(NodeRules{}.machine_silent_after(), 2s);
  auto quick = with(750ms, 3s);
  EXPECT_EQ(quick.beat_every(), 250ms);
  EXPECT_EQ(quick.machine_silent_after(), 500ms);
  EXPECT_LT(quick.machine_lost_after(), 2100ms);
  for (auto suspect : {500ms, 900ms, 3000ms, 30000ms})
    EXPECT_LE(with(suspect, 1h).beat_every() * 3, suspect) << "two that are lost are no sign";
}

TEST(NodeRules, MustFitTheBeatsAndEachOther) {
  EXPECT_TRUE(check(with(500ms, 2500ms)));
  EXPECT_FALSE(check(with(499ms, 10s)));
  EXPECT_FALSE(check(with(3s, 4s)));
  EXPECT_FALSE(check(with(10s, 3s)));
  EXPECT_FALSE(check(with(3s, 2h)));
  NodeRules rules;
  rules.failures_within = 0s;
  EXPECT_FALSE(check(rules));
  rules.failures_max = 0;
  EXPECT_TRUE(check(rules));
}

}  // namespace
}  // namespace troupe
