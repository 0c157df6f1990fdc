#include "tests/cluster/child.hpp"

#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::cluster {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const auto& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Child::Child(const std::vector<std::string>& argv, const std::vector<std::string>& env,
             const std::string& cwd, const std::string& out_path, const std::string& err_path) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  constexpr auto flags = O_WRONLY | O_CREAT | O_APPEND;
  ::posix_spawn_file_actions_addopen(&actions, 1, out_path.c_str(), flags, 0644);
  ::posix_spawn_file_actions_addopen(&actions, 2, err_path.c_str(), flags, 0644);
  ::posix_spawn_file_actions_addchdir_np(&actions, cwd.c_str());
  auto arguments = pointers(argv);
  auto variables = pointers(env);
  auto number =
      ::posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr, arguments.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (number != 0) pid_ = -1;
  EXPECT_EQ(number, 0) << argv[0] << " could not be started";
}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    (void)kill_and_reap();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

void Child::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Child::wait(std::chrono::milliseconds limit) {
  if (pid_ <= 0) return -1;
  UniqueFd fd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd polled{fd.get(), POLLIN, 0};
    auto n = ::poll(&polled, 1, std::max(0, static_cast<int>(rest.count())));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    break;
  }
  return kill_and_reap();
}

int Child::kill_and_reap() {
  if (pid_ <= 0) return -1;
  ::kill(pid_, SIGKILL);  // of one that has ended: nothing
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return exit_code(status);
}

}  // namespace troupe::cluster
