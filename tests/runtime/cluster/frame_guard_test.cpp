#include "runtime/cluster/frame_guard.hpp"

#include "tests/runtime/cluster/frames.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace troupe::cluster {
namespace {

const auto me = some_node_id();
const auto hello = frame(1, me + "who I am");

/// What passes of frames that follow a good handshake of a worker; an error where it hangs up.
Result<std::string> after_hello(const std::string& bytes) {
  FrameGuard guard{FrameGuard::From::worker};
  std::string out;
  EXPECT_TRUE(guard.pass(hello, out));
  EXPECT_EQ(out, hello);
  out.clear();
  if (auto passed = guard.pass(bytes, out); !passed) return std::move(passed).error();
  return out;
}

TEST(FrameGuard, LetsHonestFramesPassUnchanged) {
  auto talk = frame(2, "a message") + frame(6, "") + frame(4, me) + frame(5, me + "reason") +
              frame(2, std::string(100'000, 'x'), 4);
  auto passed = after_hello(talk);
  ASSERT_TRUE(passed);
  EXPECT_EQ(*passed, talk);
}

TEST(FrameGuard, JudgesTheSameHoweverBytesArrive) {
  auto talk = hello + frame(2, "a message") + frame(2, "spawn this", 1) + frame(4, me + "1") +
              frame(6, "") + frame(5, me);
  auto expected = hello + frame(2, "a message") + frame(4, me + "1") + frame(6, "") + frame(5, me);
  for (size_t piece = 1; piece < 80; ++piece) {
    FrameGuard guard{FrameGuard::From::worker};
    std::string out;
    for (size_t at = 0; at < talk.size(); at += piece)
      ASSERT_TRUE(guard.pass(std::string_view{talk}.substr(at, piece), out));
    EXPECT_EQ(out, expected) << piece;
    EXPECT_EQ(guard.dropped(), 1u);
    EXPECT_EQ(guard.node_id(), me);
  }
}

TEST(FrameGuard, DropsMessagesToNamedServices) {
  auto passed = after_hello(frame(2, "spawn", 1) + frame(2, "config", 3) + frame(2, "mine", 2));
  ASSERT_TRUE(passed);
  EXPECT_EQ(*passed, frame(2, "mine", 2));
}

TEST(FrameGuard, HangsUpOnFramesThatHurtCaf) {
  EXPECT_FALSE(after_hello(header(2, UINT32_MAX)));
  EXPECT_FALSE(after_hello(header(2, FrameGuard::payload_bytes_max + 1)));
  EXPECT_TRUE(after_hello(header(2, FrameGuard::payload_bytes_max)));
  EXPECT_FALSE(after_hello(header(2, 0)));
  EXPECT_FALSE(after_hello(header(1, 0)));
  EXPECT_FALSE(after_hello(header(4, 0)));
  EXPECT_FALSE(after_hello(header(5, 0)));
  EXPECT_FALSE(after_hello(frame(6, "x")));
  EXPECT_FALSE(after_hello(frame(3, "routed on")));
  for (int operation = 7; operation < 256; ++operation)
    EXPECT_FALSE(after_hello(frame(static_cast<uint8_t>(operation), "x"))) << operation;
}

TEST(FrameGuard, ANodeSpeaksForItselfAlone) {
  EXPECT_FALSE(after_hello(frame(1, some_node_id('o') + "again")));
  EXPECT_FALSE(after_hello(frame(4, some_node_id('o'))));
  EXPECT_FALSE(after_hello(frame(5, some_node_id('o') + "reason")));
  EXPECT_FALSE(after_hello(frame(5, "short")));
  EXPECT_TRUE(after_hello(hello));
}

TEST(FrameGuard, ALinkBeginsWithTheHandshakeOfItsSide) {
  std::string out;
  for (uint8_t operation : {0, 2, 4, 5, 6}) {
    FrameGuard guard{FrameGuard::From::worker};
    EXPECT_FALSE(guard.pass(frame(operation, operation == 6 ? "" : me), out)) << int{operation};
  }
  for (uint8_t operation : {1, 2, 4, 5, 6}) {
    FrameGuard guard{FrameGuard::From::head};
    EXPECT_FALSE(guard.pass(frame(operation, operation == 6 ? "" : me), out)) << int{operation};
  }
  EXPECT_TRUE(out.empty());
  FrameGuard guard{FrameGuard::From::head};
  EXPECT_TRUE(guard.pass(frame(0, me + "ports"), out));
  EXPECT_FALSE(guard.pass(frame(0, me + "ports"), out)) << "once is enough";
  EXPECT_FALSE(after_hello(frame(0, me + "ports"))) << "a worker is no head";
}

TEST(FrameGuard, GarbageEndsItAtOnceAndKeepsNothing) {
  FrameGuard guard{FrameGuard::From::worker};
  std::string out;
  EXPECT_FALSE(guard.pass("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", out));
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace troupe::cluster
