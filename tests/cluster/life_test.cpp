// Lives of experiments on a real `up`: failing ranks, predecessors,
// limits.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

TEST(Life, OneRankThatFailsEndsItsGangAndIsNamed) {
  UpProcess up{{"--cpus", "1", "--workers", "2"}};
  ASSERT_TRUE(up.start());
  auto answer = up.post(
      "/api/v1/experiments",
      R"({"project":"life","workers":{"count":2},"run":"[ $RANK = 1 ] && exit 3; sleep 1000"})");
  ASSERT_TRUE(answer);
  auto id = text_of(*answer, "id");
  EXPECT_EQ(up.await_end(id), "FAILED");
  auto record = up.show(id);
  EXPECT_EQ(number_of(record, "exit_code"), 3);
  EXPECT_NE(text_of(*record.find("error"), "message").find("worker.1"), std::string::npos);
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Life, PredecessorsAndLimits) {
  UpProcess up{{"--cpus", "1"}};
  ASSERT_TRUE(up.start());
  auto good = up.submit_shell("sleep 0.1");
  auto after_good = up.submit_shell("true", fmt::format(R"(, "after": ["{}"])", good));
  auto bad = up.submit_shell("exit 1");
  auto after_bad = up.submit_shell("true", fmt::format(R"(, "after": ["{}"])", bad));
  auto long_one = up.submit_shell("sleep 1000", R"(, "limits": {"running": "300ms"})");
  EXPECT_EQ(up.await_end(good), "FINISHED");
  EXPECT_EQ(up.await_end(after_good), "FINISHED");
  EXPECT_EQ(up.await_end(after_bad), "SKIPPED");
  EXPECT_EQ(up.await_end(long_one), "FAILED");
  EXPECT_NE(text_of(*up.show(long_one).find("error"), "detail").find("running limit"),
            std::string::npos);
  auto holder = up.submit_shell("sleep 1000");
  ASSERT_TRUE(up.await_state(holder, "RUNNING"));
  auto impatient = up.submit_shell("true", R"(, "limits": {"pending": "200ms"})");
  EXPECT_EQ(up.await_end(impatient), "FAILED");
  EXPECT_EQ(up.cli({"kill", holder}).code, 0);
  EXPECT_EQ(up.await_end(holder), "KILLED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
