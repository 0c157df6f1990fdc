// What comes over a link between nodes before CAF may see it.
#include "tests/runtime/cluster/frames.hpp"

#include "mutator.hpp"
#include "runtime/cluster/frame_guard.hpp"

#include <gtest/gtest.h>

namespace troupe::fuzz {
namespace {

using cluster::frame;
using cluster::FrameGuard;

/// Reads what passed as CAF would; false where a frame is there that the guard must never let by.
bool is_harmless(const std::string& bytes, FrameGuard::From from) {
  size_t at = 0;
  for (bool first = true; at + FrameGuard::header_bytes <= bytes.size(); first = false) {
    auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
    uint64_t length = uint64_t{byte(4)} << 24 | uint64_t{byte(5)} << 16 | uint64_t{byte(6)} << 8 |
                      uint64_t{byte(7)};
    auto op = byte(0);
    if (op > 6 || op == 3 || length > FrameGuard::payload_bytes_max) return false;
    if ((op == 6) != (length == 0)) return false;
    if (first && op != (from == FrameGuard::From::worker ? 1 : 0)) return false;
    if (!first && op == 0) return false;
    if (op == 2 && (byte(3) & 1) != 0) return false;
    bool names = op <= 1 || op == 4 || op == 5;
    if (names && bytes.size() >= at + 64 && bytes.size() >= 64 &&
        bytes.compare(at + 32, 32, bytes, 32, 32) != 0)
      return false;
    at += FrameGuard::header_bytes + length;
  }
  return true;
}

TEST(FuzzFrames, WhatPassesTheGuardIsHarmless) {
  auto me = cluster::some_node_id();
  Corpus corpus{{frame(1, me + "hello") + frame(2, "one") + frame(6, "") + frame(4, me),
                 frame(0, me + "ports") + frame(2, "an order") + frame(5, me + "why"),
                 frame(1, me) + frame(2, "spawn", 1) + frame(2, std::string(300, 'x'))},
                {std::string(1, '\0'), std::string(4, '\xff'), me, frame(6, ""), frame(3, "x"),
                 frame(2, "named", 1), cluster::header(2, UINT32_MAX), cluster::header(1, 0)}};
  for_mutations(corpus, 30'000, [](const std::string& input, Mutator& mutator) {
    auto from = mutator.chance(2) ? FrameGuard::From::worker : FrameGuard::From::head;
    FrameGuard whole{from}, pieces{from};
    std::string out, out_of_pieces;
    auto passed = whole.pass(input, out);
    if (!passed) expect_good_error(passed.error());
    EXPECT_LE(out.size(), input.size());
    EXPECT_TRUE(is_harmless(out, from));
    bool good = true;
    for (size_t at = 0; good && at < input.size();) {
      auto count = 1 + mutator.number(70);
      good =
          static_cast<bool>(pieces.pass(std::string_view{input}.substr(at, count), out_of_pieces));
      at += count;
    }
    EXPECT_EQ(good, static_cast<bool>(passed));
    EXPECT_EQ(out, out_of_pieces);
  });
}

}  // namespace
}  // namespace troupe::fuzz
