// People who run the members of a set themselves: what they may send, and what they get.
#include "harness.hpp"

#include <gmock/gmock.h>

namespace troupe::api {
namespace {

using ::testing::HasSubstr;

class TrialRoutes : public ::testing::Test {
 protected:
  Reply post(const std::string& target, const std::string& body, const std::string& headers = {}) {
    return troupe::api::ask(server.port(), "POST " + target, body, headers);
  }
  Reply tell(const std::string& body) { return post("/api/v1/sets/42:tell", body); }
  TestServer server;
};

TEST_F(TrialRoutes, AskGivesTrialsWithTypedValues) {
  auto reply = post("/api/v1/sets/42:ask", R"({"count":2})", "Idempotency-Key: k1\r\n");
  ASSERT_EQ(reply.status, 200) << reply.body;
  auto json = reply.json();
  const auto& trials = json.find("trials")->as_list();
  ASSERT_EQ(trials.size(), 2u);
  EXPECT_EQ(trials[1].find("id")->as_string(), "42.2");
  EXPECT_EQ(trials[1].find("trial")->as_int(), 2);
  EXPECT_EQ(trials[1].find("state")->as_string(), "RUNNING");
  EXPECT_TRUE(trials[1].find("params")->find("lr")->is_double());
  EXPECT_TRUE(trials[1].find("params")->find("layers")->is_int());
  EXPECT_FALSE(json.find("done")->as_bool());
  server.with([](FakeService& fake, ApiServer&) { EXPECT_EQ(fake.last_ask->key, "k1"); });
}

TEST_F(TrialRoutes, AskWithoutABodyIsForOneAndSaysWhyThereAreFewer) {
  auto one = post("/api/v1/sets/42:ask", "");
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(one.json().find("trials")->as_list().size(), 1u);
  auto fewer = post("/api/v1/sets/42:ask", R"({"count":5})");
  EXPECT_EQ(fewer.json().find("trials")->as_list().size(), 2u);
  EXPECT_EQ(fewer.json().find("reason")->as_string(), "2 may run at a time");
}

TEST_F(TrialRoutes, AskRefusesCountsAndKeysThatNobodyMeans) {
  for (const auto* body : {R"({"count":0})", R"({"count":1001})"}) {
    auto reply = post("/api/v1/sets/42:ask", body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(reply.error_part("hint"), HasSubstr("1 to 1000"));
  }
  EXPECT_EQ(post("/api/v1/sets/42:ask", R"({"count":-1})").status, 400);
  EXPECT_EQ(post("/api/v1/sets/42:ask", R"({"cuont":1})").status, 400);
  EXPECT_EQ(post("/api/v1/sets/42:ask", "{}", "Idempotency-Key: " + std::string(201, 'k') + "\r\n")
                .status,
            400);
  EXPECT_EQ(post("/api/v1/sets/43:ask", "{}").status, 404);
}

TEST_F(TrialRoutes, PendingOnesCanBeListed) {
  auto reply = troupe::api::ask(server.port(), "GET /api/v1/sets/42:ask");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().find("trials")->as_list().at(0).find("id")->as_string(), "42.7");
}

TEST_F(TrialRoutes, TellTakesMetricsOrOneValue) {
  auto reply = tell(R"({"trial":3,"state":"RUNNING","metrics":{"loss":0.5,"step":7}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().find("id")->as_string(), "42.3");
  EXPECT_TRUE(reply.json().find("stop")->as_bool());
  EXPECT_EQ(reply.json().find("reason")->as_string(), "below the median");
  server.with([](FakeService& fake, ApiServer&) {
    EXPECT_EQ(fake.last_tell->state, State::running);
    EXPECT_EQ(fake.last_tell->metrics.at("step").as_number(), 7);
  });
  ASSERT_EQ(tell(R"({"trial":3,"value":[0.5,1]})").status, 200);
  server.with([](FakeService& fake, ApiServer&) {
    EXPECT_EQ(fake.last_tell->state, State::finished) << "what is told without a state has ended";
    EXPECT_EQ(fake.last_tell->value.as_list().size(), 2u);
  });
}

TEST_F(TrialRoutes, TellRefusesWhatItCannotMean) {
  EXPECT_EQ(tell("").status, 400);
  EXPECT_EQ(tell("{}").status, 400);
  EXPECT_THAT(tell("{}").error_part("detail"), HasSubstr("which trial"));
  auto state = tell(R"({"trial":1,"state":"FINISHD"})");
  EXPECT_EQ(state.status, 400);
  EXPECT_THAT(state.error_part("hint"), HasSubstr("FINISHED"));
  EXPECT_EQ(tell(R"({"trial":1,"state":"QUEUED"})").status, 400);
  EXPECT_EQ(tell(R"({"trial":9,"value":1})").status, 409);
  EXPECT_EQ(tell(R"({"trial":1,"metrics":{"a":)" + std::string(70'000, '1') + "}}").status, 413);
}

}  // namespace
}  // namespace troupe::api
