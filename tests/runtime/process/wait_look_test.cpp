// Whether processes wait for others: real ones that do, and that do something else.
#include "runtime/process/wait_look.hpp"

#include "runtime/core/fd.hpp"
#include "tests/runtime/process/harness.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_{::fork()} {
    if (pid_ == 0) {
      work();
      ::_exit(0);
    }
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  bool comes_to(WaitLook::Now now) const {
    return await([&] {
      auto look = look_at_wait(pid_);
      return look && look->now == now;
    });
  }

 private:
  pid_t pid_;
};

class WaitLooks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!look_at_wait(::getpid()))
      GTEST_SKIP() << "this kernel does not say in which system call a thread is";
  }
};

TEST_F(WaitLooks, FindWaitsForMessagesAndThreads) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  UniqueFd one{ends[0]}, other{ends[1]};
  Child receives{[&] {
    char byte = 0;
    (void)!::recv(one.get(), &byte, 1, 0);
  }};
  EXPECT_TRUE(receives.comes_to(WaitLook::Now::waits));
  Child locks{[] {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock{mutex};
    never.wait(lock, [] { return false; });
  }};
  EXPECT_TRUE(locks.comes_to(WaitLook::Now::waits));
}

TEST_F(WaitLooks, TakeNeitherSleepNorWorkForThat) {
  // tidy: allow sleep: it is what is looked at
  Child sleeps{[] { ::sleep(1000); }};
  EXPECT_TRUE(await([&] {
    auto text = read_file("/proc/" + std::to_string(sleeps.pid()) + "/stat", 4096);
    return text && text->find(") S ") != std::string::npos;
  }));
  EXPECT_EQ(look_at_wait(sleeps.pid())->now, WaitLook::Now::other);
  Child works{[] {
    for (volatile bool on = true; on;) {
    }
  }};
  EXPECT_TRUE(works.comes_to(WaitLook::Now::runs));
  EXPECT_TRUE(
      await([&] { return look_at_wait(works.pid())->busy >= std::chrono::milliseconds{20}; }));
  Child loads{[] {
    auto loader = ::fork();
    if (loader == 0)
      for (volatile bool on = true; on;) {
      }
    ::waitpid(loader, nullptr, 0);
  }};
  // Its loader works for it.
  EXPECT_TRUE(loads.comes_to(WaitLook::Now::other));
  auto children = read_file(
      "/proc/" + std::to_string(loads.pid()) + "/task/" + std::to_string(loads.pid()) + "/children",
      4096);
  ASSERT_TRUE(children && !children->empty());
  ::kill(std::stoi(*children), SIGKILL);
}

TEST(WaitLook, SaysNothingOfWhatIsGone) {
  EXPECT_FALSE(look_at_wait(0x3fffffff));
}

}  // namespace
}  // namespace troupe::process
