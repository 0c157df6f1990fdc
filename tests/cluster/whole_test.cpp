// Sweeps, gangs and kills through real processes.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <set>

namespace troupe::cluster {
namespace {

TEST(Whole, ASweepSurvivesDeathsOfUp) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto script = fmt::format(
      "echo $TROUPE_TRIAL >> {}/ran; sleep 0.1; echo {{\\\"v\\\": {{{{x}}}}}} >> $TROUPE_METRICS",
      up.root());
  auto id = up.submit(fmt::format(
      R"({{"project":"p","run":{},"parameters":[{{"name":"x","range":{{"min":1,"max":30,"step":1}}}}],)"
      R"("sweep":{{"strategy":"grid","concurrency":4,"metric":"max.v"}}}})",
      cluster::quoted(script)));
  for (size_t ran : {4u, 12u, 20u}) {
    ASSERT_TRUE(await([&] { return up.lines("ran").size() >= ran; }));
    up.kill9();
    ASSERT_TRUE(up.start());
  }
  EXPECT_EQ(up.await_end(id), "FINISHED");
  auto ran = up.lines("ran");
  EXPECT_EQ(ran.size(), 30u);
  EXPECT_EQ(std::set<std::string>(ran.begin(), ran.end()).size(), 30u);
  auto set = up.show(id);
  EXPECT_EQ(number_of(*set.find("counts"), "finished"), 30);
  EXPECT_EQ(text_of(*set.find("best"), "id"), id + ".30");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Whole, AGangsRanksBeginALineTogetherAndEndTogether) {
  UpProcess up{{"--cpus", "2", "--workers", "2"}};
  ASSERT_TRUE(up.start());
  auto first = fmt::format("sleep 0.$((RANK * 3 + 1)); touch {}/done$RANK", up.root());
  auto second = fmt::format("test -e {0}/done0 && test -e {0}/done1", up.root());
  auto body = [](const std::string& run) {
    return fmt::format(
        R"({{"project":"p","workers":2,"resources":{{"cpus":2}},"setup":["echo s"],"run":{}}})",
        run);
  };
  auto phases =
      up.submit(body(fmt::format("[{},{}]", cluster::quoted(first), cluster::quoted(second))));
  EXPECT_EQ(up.await_end(phases), "FINISHED");
  auto fails = up.submit(body(R"(["if [ $RANK = 1 ]; then exit 3; fi; sleep 1000"])"));
  EXPECT_EQ(up.await_end(fails), "FAILED");
  auto record = up.show(fails);
  EXPECT_EQ(number_of(record, "exit_code"), 3);
  EXPECT_NE(text_of(*record.find("error"), "message").find(fails + ".worker.1"), std::string::npos);
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Whole, AKillEndsEveryState) {
  UpProcess up{{"--cpus", "2"}};
  ASSERT_TRUE(up.start());
  auto deaf =
      up.submit_shell("trap '' TERM; while :; do sleep 0.1; done", R"(,"resources":{"cpus":1})");
  auto setup = up.submit_shell("true", R"(,"setup":["sleep 1000"],"resources":{"cpus":1})");
  auto queued = up.submit_shell("true", R"(,"resources":{"cpus":1})");
  auto after =
      up.submit_shell("true", fmt::format(R"(,"resources":{{"cpus":1}},"after":["{}"])", queued));
  ASSERT_TRUE(up.await_state(deaf, "RUNNING"));
  for (const auto& id : {queued, setup, deaf, deaf})
    EXPECT_TRUE(up.post(fmt::format("/api/v1/experiments/{}:kill", id), ""));
  for (const auto& id : {queued, setup, deaf}) EXPECT_EQ(up.await_end(id), "KILLED");
  EXPECT_EQ(up.await_end(after), "SKIPPED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
