// Searches in a real head: one that is killed in the middle goes on as if nothing had been, and a
// member that its rule stops ends well.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

constexpr const char* space =
    R"("parameters":[{"name":"x","range":{"min":0.0,"max":1.0}},{"name":"y","choices":["a","b","c"]}])";

std::string set_of(const std::string& script, const std::string& parameters,
                   const std::string& sweep) {
  return fmt::format(R"({{"project":"p","run":[["sh","-c",{},"train","{{{{x}}}}","{{{{y}}}}"]],)"
                     R"("resources":{{"cpus":0.1}},{},"sweep":{{{}}}}})",
                     quoted(script), parameters, sweep);
}

/// The points of all members, in their order.
std::vector<std::string> points(UpProcess& up, const std::string& set) {
  std::vector<std::string> points;
  auto record = up.show(set);
  for (const auto& member : record.find("members")->as_list())
    points.push_back(member.find("params")->to_text());
  return points;
}

int64_t differences(UpProcess& up, const std::string& set) {
  auto replay = up.get("/api/v1/sets/" + set + "/replay");
  EXPECT_TRUE(replay) << to_string(replay.error());
  return replay ? replay->find("differences")->as_int() : -1;
}

constexpr const char* report_x = R"(printf '{"metric":"loss","value":%s,"step":1}\n' "$1")";

TEST(Search, AHeadThatIsKilledChangesNoPoint) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  for (const auto* strategy : {"tpe", "gp"}) {
    auto sweep = fmt::format(
        R"("strategy":"{}","trials":24,"seed":"11","concurrency":1,"metric":"min.loss")", strategy);
    auto undisturbed = up.submit(set_of(report_x, space, sweep));
    EXPECT_EQ(up.await_end(undisturbed), "FINISHED");
    auto disturbed = up.submit(set_of(report_x, space, sweep));
    for (int64_t members : {4, 13, 19}) {
      ASSERT_TRUE(await([&] { return number_of(up.show(disturbed), "next") > members; }));
      up.kill9();
      ASSERT_TRUE(up.start());
    }
    EXPECT_EQ(up.await_end(disturbed), "FINISHED");
    EXPECT_EQ(points(up, disturbed), points(up, undisturbed)) << strategy;
    EXPECT_EQ(differences(up, disturbed), 0);
  }
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, AParallelSearchCanBeDerivedAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(
      set_of(report_x, space,
             R"("strategy":"auto","trials":40,"seed":"3","concurrency":6,"metric":"min.loss")"));
  for (int64_t members : {9, 25}) {
    ASSERT_TRUE(await([&] { return number_of(up.show(set), "next") > members; }));
    up.kill9();
    ASSERT_TRUE(up.start());
  }
  EXPECT_EQ(up.await_end(set), "FINISHED");
  EXPECT_EQ(points(up, set).size(), 40u);
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(text_of(up.show(set), "picked"), "gp");
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, AMemberThatIsStoppedEarlyEndsWell) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  // Members that are worse than the first would go on for ever, and note that they were asked.
  auto script =
      fmt::format(R"(trap 'echo saved >> {}/saved; exit 3' TERM; for s in 1 2 3; do )"
                  R"(printf '{{"epoch":%s,"loss":%s}}\n' $s "$1" >> "$TROUPE_METRICS"; done; )"
                  R"([ "$1" = 1 ] && exit 0; while :; do sleep 0.05; done)",
                  up.root());
  auto set = up.submit(set_of(
      script, R"("parameters":[{"name":"x","choices":[1,2,3]},{"name":"y","choices":["a"]}])",
      R"("strategy":"grid","concurrency":1,"metric":"min.loss",)"
      R"("early_stop":{"algorithm":"asha","resource":"epoch","max":9})"));
  EXPECT_EQ(up.await_end(set), "FINISHED");
  EXPECT_EQ(number_of(up.show(set), "stopped"), 2);
  EXPECT_EQ(up.lines("saved").size(), 2u);
  auto member = up.show(set + ".2");
  EXPECT_EQ(text_of(member, "state"), "FINISHED");
  EXPECT_NE(text_of(member, "reason").find("asha: 2 at epoch 1 is number 2 of 2"),
            std::string::npos)
      << text_of(member, "reason");
  auto why = up.get("/api/v1/experiments/" + set + ".2/why");
  ASSERT_TRUE(why);
  EXPECT_NE(why->to_text().find("stopped early: asha"), std::string::npos);
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(up.stop(), 0);
}

}  // namespace
}  // namespace troupe::cluster
