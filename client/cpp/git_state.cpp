// git_state: what git says about a tree, asked without a shell, hooks or locks.
#include "client/cpp/code_tree.hpp"
#include "runtime/core/started_program.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::client {

namespace {

// A tree that takes git longer is submitted without the note: it is a convenience.
constexpr auto git_time_max = std::chrono::seconds{10};
constexpr size_t output_max = 4096;

struct Output {
  bool good = false;
  std::string text;  // the first output_max bytes
};

/// Reads until the end, enough, or the deadline.
std::string read_some(int fd) {
  std::string text;
  auto deadline = std::chrono::steady_clock::now() + git_time_max;
  char buffer[1024];
  while (text.size() < output_max) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd waiting{fd, POLLIN, 0};
    auto ready = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    auto n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

Output run_git(const std::string& root, std::vector<std::string> words) {
  // The file system monitor is a program that the repository's settings may name.
  std::vector<std::string> line{"git", "--no-optional-locks",      "-c", "core.fsmonitor=false",
                                "-c",  "core.hooksPath=/dev/null", "-C", root};
  line.insert(line.end(), words.begin(), words.end());
  auto git = start_program(std::move(line));
  if (git.pid == 0) return {};
  Output output;
  output.text = read_some(git.output.get());
  bool cut = output.text.size() >= output_max;
  // Either it has ended, has more to say than we want, or is too slow.
  char more;
  bool ended = !cut && ::fcntl(git.output.get(), F_SETFL, O_NONBLOCK) == 0 &&
               ::read(git.output.get(), &more, 1) == 0;
  if (!ended) ::kill(git.pid, SIGKILL);
  int status = 0;
  while (::waitpid(git.pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.good = cut || (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return output;
}

}  // namespace

std::string git_state(const std::string& root) {
  // One question, because a start of git costs more than its answer: the commit comes first, in a
  // line that begins with '#', then a line for each change.
  auto status =
      run_git(root, {"status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--", "."});
  constexpr std::string_view before = "# branch.oid ";
  auto at = status.text.find(before);
  if (!status.good || at == std::string::npos) return {};
  at += before.size();
  auto commit = status.text.substr(at, status.text.find('\n', at) - at);
  if (commit.size() < 40 || commit.find_first_not_of("0123456789abcdef") != std::string::npos)
    return {};
  // The lines in front that begin with '#' are all about the branch.
  size_t line = 0;
  while (line < status.text.size() && status.text[line] == '#') {
    auto end = status.text.find('\n', line);
    line = end == std::string::npos ? status.text.size() : end + 1;
  }
  return line == status.text.size() ? commit : commit + "+dirty";
}

}  // namespace troupe::client
