// What is tried again, how often, and what a second signal does.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

TEST(Retry, OnceFromTheCheckpoint) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto id =
      up.submit_shell(fmt::format("echo $TROUPE_ATTEMPT ${{TROUPE_RESUME##*/}} >> {}/ran; touch "
                                  "$TROUPE_CHECKPOINTS/one $TROUPE_CHECKPOINTS/two.tmp; kill -9 $$",
                                  up.root()),
                      R"(,"retry":{"count":1,"backoff":"100ms"})");
  EXPECT_EQ(up.await_end(id), "FAILED");
  EXPECT_EQ(up.lines("ran"), (std::vector<std::string>{"1", "2 one"}));
  EXPECT_EQ(number_of(up.show(id), "exit_code"), 137);
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Retry, FiveLostLaunchersAreForgivenNotSix) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto id = up.submit_shell(fmt::format("echo $TROUPE_ATTEMPT >> {}/ran; sleep 1000", up.root()));
  for (size_t attempt = 1; attempt <= 6; ++attempt) {
    ASSERT_TRUE(await([&] { return up.lines("ran").size() == attempt; })) << attempt;
    for (auto pid : up.launchers()) ::kill(pid, SIGKILL);
  }
  EXPECT_EQ(up.await_end(id), "FAILED");
  EXPECT_EQ(up.lines("ran").size(), 6u);
  EXPECT_NE(text_of(*up.show(id).find("error"), "message"), "");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

TEST(Retry, ASecondSignalEndsUpAtOnceAndTheNextOneAdopts) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto id = up.submit_shell("trap '' TERM; while :; do sleep 0.1; done");
  ASSERT_TRUE(up.await_state(id, "RUNNING"));
  up.signal(SIGINT);
  ASSERT_TRUE(await([&] { return up.out().find("stopping") != std::string::npos; }));
  up.signal(SIGINT);
  EXPECT_EQ(up.wait(5s), 130);
  ASSERT_TRUE(up.start());
  EXPECT_TRUE(up.post(fmt::format("/api/v1/experiments/{}:kill", id), ""));
  EXPECT_EQ(up.await_end(id), "KILLED");
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
