#include "tests/bench/cluster_under_test.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace troupe::bench {

double now_seconds() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

namespace {

/// Folders are removed at the very end: ext4 makes new inodes slowly where it has just deleted
/// many, so one round's cleaning would be paid by the next.
class Scratch {
 public:
  ~Scratch() {
    for (const auto& dir : dirs) (void)remove_tree(dir);
  }
  std::vector<std::string> dirs;
};
Scratch scratch;

}  // namespace

std::string scratch_folder(const std::string& name) {
  const char* base = std::getenv("TROUPE_BENCH_DIR");
  auto pattern =
      fmt::format("{}/troupe-bench-{}-XXXXXX", base == nullptr ? "/var/tmp" : base, name);
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::exit(1);
  }
  scratch.dirs.push_back(pattern);
  return pattern;
}

ClusterUnderTest::ClusterUnderTest(std::vector<std::string> options, std::string dir) {
  dir_ = dir.empty() ? scratch_folder("up") : std::move(dir);
  config_ = scratch_folder("config");
  int out[2];
  if (::pipe(out) != 0) std::exit(1);
  std::vector<std::string> words{TROUPE_PROGRAM, "up", "--port", "0", "--dir", dir_};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> env{"TROUPE_CONFIG_DIR=" + config_};
  for (char** e = environ; *e != nullptr; ++e) env.emplace_back(*e);
  std::vector<char*> envp;
  for (auto& entry : env) envp.push_back(entry.data());
  envp.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  auto began = now_seconds();
  if (::posix_spawn(&pid_, TROUPE_PROGRAM, &actions, nullptr, argv.data(), envp.data()) != 0)
    std::exit(1);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  std::string text;
  char piece[4096];
  while (text.find("is up: http://") == std::string::npos || text.find('\n') == std::string::npos) {
    auto n = ::read(out[0], piece, sizeof piece);
    if (n <= 0) {
      std::fprintf(stderr, "troupe up did not start: %s\n", text.c_str());
      std::exit(1);
    }
    text.append(piece, static_cast<size_t>(n));
  }
  start_seconds_ = now_seconds() - began;
  ::close(out[0]);
  port_ = static_cast<uint16_t>(std::atoi(text.c_str() + text.find("127.0.0.1:") + 10));
  auto token = read_file(dir_ + "/owner.token", 4096);
  token_ = token.value_or("");
}

void ClusterUnderTest::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

ClusterUnderTest::~ClusterUnderTest() {
  stop();
}

uint64_t ClusterUnderTest::resident_bytes() const {
  auto text = read_file(fmt::format("/proc/{}/status", pid_)).value_or("");
  auto at = text.find("VmRSS:");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 6, nullptr, 10) * 1024;
}

void await_idle(HttpConnection& connection) {
  // A list of one row is answered from an index in microseconds, so asking costs what is measured
  // next to nothing.
  while (true) {
    auto response = connection.request("GET", "/api/v1/experiments?live=true&limit=1");
    if (response.body.find("\"id\"") == std::string::npos) return;
    // tidy: allow sleep: between two looks
    ::usleep(2000);
  }
}

}  // namespace troupe::bench
