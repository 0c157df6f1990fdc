// What the kernel says of processes that wait, and of those that work.
#include "runtime/process/process_look.hpp"

#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

using ::testing::HasSubstr;

class Child {
 public:
  explicit Child(const char* script) : pid_{::fork()} {
    if (pid_ == 0) {
      ::execl("/bin/sh", "sh", "-c", script, nullptr);
      ::_exit(127);
    }
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(ProcessLook, NamesAProcessThatWaits) {
  Child child{"exec sleep 1000"};
  EXPECT_TRUE(await([&] {
    auto text = look_at(child.pid()).text;
    return text.find("(sleep): sleeping") != std::string::npos &&
           text.find("process " + std::to_string(child.pid())) != std::string::npos;
  })) << look_at(child.pid()).text;
}

TEST(ProcessLook, NamesTheDescendantThatWorksAndCountsItsTime) {
  Child child{"sh -c 'while true; do true; done'; echo"};
  EXPECT_TRUE(await([&] { return look_at(child.pid()).cpu.count() >= 50; }));
  EXPECT_THAT(look_at(child.pid()).text, HasSubstr("running"));
  auto kids = look_at(child.pid()).text;
  EXPECT_EQ(kids.find("process " + std::to_string(child.pid()) + " "), std::string::npos)
      << "the shell only waits: " << kids;
  // Its child goes on, unknown to the launcher: it has none here.
  ::kill(std::stoi(kids.substr(8)), SIGKILL);
}

TEST(ProcessLook, SaysWhatIsGone) {
  EXPECT_EQ(look_at(0x3fffffff).text, "process 1073741823 is gone");
}

TEST(ProcessLook, HasNamesForCallsThatWait) {
  EXPECT_EQ(system_call_text(-1), "-1");
#ifdef __x86_64__
  EXPECT_EQ(system_call_text(45), "recvfrom");
#endif
}

}  // namespace
}  // namespace troupe::process
