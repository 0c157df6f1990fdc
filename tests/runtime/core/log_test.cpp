#include "runtime/core/log.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe {
namespace {

/// Catches what is logged, and puts level and output back.
class Log : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC | O_NONBLOCK), 0);
    level_ = log::level();
    log::set_output(pipe_[1]);
  }
  void TearDown() override {
    log::set_output(2);
    log::set_level(level_);
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  std::string taken() {
    std::string text(1 << 16, '\0');
    auto n = ::read(pipe_[0], text.data(), text.size());
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  int pipe_[2] = {-1, -1};
  log::Level level_ = log::Level::warning;
};

TEST_F(Log, WritesTimeLevelComponentAndText) {
  log::set_level(log::Level::info);
  log::info("ledger", "{} commits", 3);
  auto line = taken();
  ASSERT_EQ(line.size(),
            std::string{"2026-11-21T01:29:00.123456Z INFO  ledger 3 commits\n"}.size());
  EXPECT_EQ(line.substr(26), "Z INFO  ledger 3 commits\n");
}

TEST_F(Log, LeavesOutWhatIsBelowTheLevel) {
  log::set_level(log::Level::warning);
  log::debug("a", "x");
  log::info("a", "x");
  EXPECT_EQ(taken(), "");
  log::warning("a", "x");
  EXPECT_NE(taken(), "");
  log::set_level(log::Level::error);
  log::warning("a", "x");
  EXPECT_EQ(taken(), "");
  log::error("a", "x");
  EXPECT_NE(taken(), "");
}

TEST_F(Log, AnEntryIsOneLineOfBoundedLength) {
  log::error("a", "{}", "first\nsecond\r\x1b[31m");
  auto line = taken();
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  log::error("a", "{}", std::string(1'000'000, 'x'));
  EXPECT_EQ(taken().size(), 4097u);
}

TEST_F(Log, LinesOfManyThreadsDoNotMix) {
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c)
    threads.emplace_back([c] {
      for (int n = 0; n < 50; ++n) log::error("t", "{}", std::string(100, c));
    });
  for (auto& thread : threads) thread.join();
  auto text = taken();
  size_t lines = 0;
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    auto line = text.substr(at, end - at);
    EXPECT_EQ(line.substr(line.size() - 100), std::string(100, line.back()));
    ++lines;
  }
  EXPECT_EQ(lines, 200u);
}

}  // namespace
}  // namespace troupe
