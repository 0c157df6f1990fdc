// How fast short runs go through one client, beside the least that the machine could need for them.
#include "runtime/process/run_mounts.hpp"
#include "tests/runtime/process/harness.hpp"

#include <spawn.h>
#include <sys/wait.h>

extern char** environ;

namespace troupe::process {
namespace {

constexpr int run_count = 2000;
constexpr int slots = 4;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double bare_rate() {
  auto begin = std::chrono::steady_clock::now();
  char name[] = "/bin/true";
  char* argv[] = {name, nullptr};
  int live = 0, started = 0;
  while (started < run_count || live > 0) {
    if (started < run_count && live < slots) {
      pid_t pid;
      EXPECT_EQ(::posix_spawn(&pid, name, nullptr, nullptr, argv, environ), 0);
      ++started;
      ++live;
    } else {
      ::waitpid(-1, nullptr, 0);
      --live;
    }
  }
  return run_count / seconds_since(begin);
}

/// `cpus`: what each run is limited to; 0: nothing. `mounts`: how many each has for itself.
double launcher_rate(double cpus, int mounts = 0) {
  Harness h;
  h.connect();
  std::vector<RunMount> own;
  for (int i = 0; i < mounts; ++i) {
    auto folder = fmt::format("{}/{}", h.root, i);
    std::filesystem::create_directories(folder);
    own.push_back({"/usr", folder, "", ""});
  }
  h.run(h.shell("warm", ""));
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < run_count; ++i) {
    // As many at once as the bare loop had.
    EXPECT_TRUE(h.wait([&] { return i - static_cast<int>(h.ends.size()) + 1 < slots; }));
    auto request = h.request(fmt::format("t{}", i), {"/bin/true"});
    request.cpus = cpus;
    request.mounts = own;
    h.client->start(std::move(request));
  }
  EXPECT_TRUE(h.wait([&] { return h.ends.size() == run_count + 1; }));
  auto rate = run_count / seconds_since(begin);
  for (auto& [key, times] : h.ends) EXPECT_EQ(times, 1) << key;
  return rate;
}

TEST(Throughput, ShortRuns) {
  auto bare = bare_rate();
  auto free = launcher_rate(0), limited = launcher_rate(1);
  fmt::print(
      "bare posix_spawn loop {:.0f}/s, launcher {:.0f} runs/s ({:.2f}), limited {:.0f} ({:.2f})\n",
      bare, free, free / bare, limited, limited / bare);
}

TEST(Throughput, RunsWithMountsOfTheirOwn) {
  if (auto may = probe_private_mounts(::testing::TempDir()); may.denied)
    GTEST_SKIP() << to_string(*may.denied);
  auto free = launcher_rate(0), one = launcher_rate(0, 1), eight = launcher_rate(0, 8);
  fmt::print("launcher {:.0f} runs/s, with a mount {:.0f} ({:.2f}), with eight {:.0f} ({:.2f})\n",
             free, one, one / free, eight, eight / free);
}

}  // namespace
}  // namespace troupe::process
