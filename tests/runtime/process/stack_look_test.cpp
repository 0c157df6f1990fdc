// Where a process stands: what eu-stack writes, and a real process where it is installed.
#include "runtime/process/stack_look.hpp"

#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

using ::testing::HasSubstr;

TEST(StackLine, HasNamesAloneAndEachOnceInARow) {
  EXPECT_EQ(stack_line("PID 7 - process\nTID 7:\n"
                       "#0  0x00007f22d323e503 clock_nanosleep@@GLIBC_2.17\n"
                       "#1  0x00000000005d64b4\n"
                       "#2  0x000000000052b9e0 _PyEval_EvalFrameDefault\n"
                       "#3  0x000000000052b9e0 _PyEval_EvalFrameDefault\n"
                       "#4  0x00000000005236bb PyEval_EvalCode\n"
                       "#5  0x0000000000627bd1 _start\n"),
            "clock_nanosleep < _PyEval_EvalFrameDefault");
  EXPECT_EQ(stack_line(""), "");
  EXPECT_EQ(stack_line("eu-stack: dwfl_thread_getframes: no\n#0\n#1  0x1\n"), "");
  std::string deep;
  for (int i = 0; i < 1000; ++i)
    deep += "#1  0x1 " + std::string(100, static_cast<char>('a' + i % 26)) + "\n";
  EXPECT_EQ(stack_line(deep).size(), 400u);
}

class StackLooks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/bin/eu-stack", X_OK) != 0) GTEST_SKIP() << "elfutils is not installed";
    pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  void TearDown() override {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  pid_t pid = 0;
};

TEST_F(StackLooks, NameWhereAProcessWaits) {
  auto look = look_at_stack(pid);
  EXPECT_TRUE(await([&] { return !look->text().empty(); }));
  EXPECT_THAT(look->text(), HasSubstr("pause"));
  look.reset();
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0) << "it goes on";
  EXPECT_EQ(look_at_stack(0x3fffffff)->text(), "");
}

TEST_F(StackLooks, EndWithWhoAsked) {
  for (int i = 0; i < 20; ++i) look_at_stack(pid);
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0) << "it goes on";
}

}  // namespace
}  // namespace troupe::process
