#include "runtime/cluster/join_token.hpp"

#include <gtest/gtest.h>

namespace troupe::cluster {
namespace {

using std::chrono::minutes;

const Timestamp now{1'790'000'000'000'000};
const Timestamp later{now.us + 11 * 60 * int64_t{1'000'000}};
const std::string pin(64, 'a');

JoinToken fresh(const JoinTokens& tokens) {
  return tokens.make("head.example:7071", pin, now, minutes{10});
}

TEST(JoinToken, SaysWhereAndWhomAndSurvivesAFile) {
  JoinTokens tokens{"secret"};
  auto token = fresh(tokens);
  auto again = parse_join_token(to_string(token) + "\n");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->address, "head.example:7071");
  EXPECT_EQ(again->fingerprint, pin);
  EXPECT_TRUE(tokens.redeem(*again, "key", now));
}

TEST(JoinToken, ExpiresByTheHeadsClock) {
  JoinTokens tokens{"secret"};
  auto late = tokens.redeem(fresh(tokens), "key", later);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::unauthenticated);
  EXPECT_NE(late.error().what.find("expired"), std::string::npos);
}

TEST(JoinToken, WorksForOneKeyAlone) {
  JoinTokens tokens{"secret"};
  auto token = fresh(tokens);
  EXPECT_TRUE(tokens.redeem(token, "key", now));
  EXPECT_TRUE(tokens.redeem(token, "key", now)) << "its answer may have been lost";
  auto replayed = tokens.redeem(token, "another key", now);
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().code, Errc::refused);
  EXPECT_NE(replayed.error().what.find("used"), std::string::npos);
}

TEST(JoinToken, IsUsedUpAlsoAfterTheHeadWasRestarted) {
  JoinTokens tokens{"secret"};
  auto token = fresh(tokens);
  EXPECT_TRUE(tokens.redeem(token, "key", now));
  JoinTokens restarted{"secret"};
  restarted.restore(tokens.used() + "not a line\n1 2\n\n");
  EXPECT_FALSE(restarted.redeem(token, "another key", now));
  EXPECT_TRUE(restarted.redeem(fresh(restarted), "another key", now));
}

TEST(JoinToken, UsedOnesAreForgottenWhenTheyWouldHaveExpired) {
  JoinTokens tokens{"secret"};
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(tokens.redeem(fresh(tokens), "key", now));
  auto token = tokens.make("h:1", pin, later, minutes{1});
  EXPECT_TRUE(tokens.redeem(token, "key", later));
  EXPECT_LT(tokens.used().size(), 200u);
}

TEST(JoinToken, OfAnotherHeadOrALongerLifeIsNotAccepted) {
  JoinTokens tokens{"secret"};
  auto foreign = JoinTokens{"another secret"}.make("h:1", pin, now, minutes{10});
  auto refused = tokens.redeem(foreign, "key", now);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("did not make it"), std::string::npos);
  auto stretched = fresh(tokens);
  stretched.expires_s += 3600;
  EXPECT_FALSE(tokens.redeem(stretched, "key", now));
}

TEST(JoinToken, OtherTextIsNone) {
  JoinTokens tokens{"secret"};
  auto good = to_string(fresh(tokens));
  for (size_t cut = 1; cut < good.size(); ++cut) {
    auto parsed = parse_join_token(good.substr(0, cut));
    EXPECT_FALSE(parsed) << cut;
  }
  EXPECT_FALSE(parse_join_token(good + "/more"));
  EXPECT_FALSE(parse_join_token(std::string(1 << 20, '/')));
  EXPECT_FALSE(parse_join_token(""));
}

}  // namespace
}  // namespace troupe::cluster
