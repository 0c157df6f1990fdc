// Runs simulated clusters, one for each seed, on all cores. A seed that breaks a promise is told
// with all that is needed to run it again.
//
//   cluster_sim --seeds 2000                       seeds 1 to 2000
//   cluster_sim --seeds 1000000 --from 7 --minutes 120
//   cluster_sim --seed 42 --trace                  one, with all that happens
//   cluster_sim --seeds 50 --twice                 each two times: the histories must be the same
#include "runtime/core/log.hpp"
#include "tests/sim/simulation.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string_view>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace troupe;
using Time = std::chrono::steady_clock;

struct Options {
  uint64_t from = 1;
  uint64_t seeds = 100;
  uint64_t minutes = 0;  // 0: no limit
  uint64_t jobs = std::max(1u, std::thread::hardware_concurrency());
  bool tracing = false;
  bool twice = false;
  bool faults = true;
};

/// Shared by the processes: one that dies leaves the seed it died of.
struct Tally {
  std::atomic<uint64_t> next, done, failed, failures_told;
  std::atomic<uint64_t> steps, commits, messages, experiments, attempts, virtual_seconds, faults;
  std::atomic<uint64_t> current[64];
};

std::string folder(uint64_t seed) {
  return fmt::format("{}/troupe-sim-{}-{}", sim::memory_folder(), ::getpid(), seed);
}

sim::Outcome run_seed(const Options& options, uint64_t seed) {
  sim::SimulationOptions simulation;
  simulation.seed = seed;
  simulation.dir = folder(seed);
  simulation.tracing = options.tracing;
  simulation.faults = options.faults;
  auto outcome = sim::simulate(simulation);
  if (options.twice) {
    auto again = sim::simulate(simulation);
    if (again.history != outcome.history)
      outcome.failures.push_back(
          fmt::format("two histories: {:x} and {:x}", outcome.history, again.history));
  }
  return outcome;
}

void tell(uint64_t seed, const sim::Outcome& outcome, Tally& tally) {
  ++tally.failed;
  if (tally.failures_told++ > 50) return;  // the first few say it all
  auto text = fmt::format("seed {} FAILED; again: cluster_sim --seed {} --trace\n", seed, seed);
  for (const auto& failure : outcome.failures) text += fmt::format("  {}\n", failure);
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

void work(const Options& options, Tally& tally, uint64_t number, Time::time_point deadline) {
  // What the product logs is of use for one seed only.
  if (!options.tracing) log::set_output(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  while (Time::now() < deadline) {
    auto seed = tally.next++;
    if (seed >= options.from + options.seeds) return;
    tally.current[number] = seed;
    auto outcome = run_seed(options, seed);
    tally.current[number] = 0;
    ++tally.done;
    tally.steps += outcome.steps;
    tally.commits += outcome.commits;
    tally.messages += outcome.messages;
    tally.experiments += outcome.experiments;
    tally.attempts += outcome.attempts;
    tally.virtual_seconds += static_cast<uint64_t>(outcome.virtual_seconds);
    for (auto count : outcome.faults) tally.faults += count;
    if (!outcome.failures.empty()) tell(seed, outcome, tally);
  }
}

int run(const Options& options) {
  auto* memory =
      ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto& tally = *new (memory) Tally{};
  tally.next = options.from;
  auto begun = Time::now();
  auto deadline = options.minutes == 0 ? Time::time_point::max()
                                       : begun + std::chrono::minutes{options.minutes};
  auto jobs = std::min<uint64_t>({options.jobs, options.seeds, 64});
  std::vector<pid_t> children;
  for (uint64_t number = 0; number < jobs; ++number) {
    auto child = ::fork();
    if (child == 0) {
      work(options, tally, number, deadline);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (uint64_t number = 0; number < jobs; ++number) {
    int status = 0;
    ::waitpid(children[number], &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    ++tally.failed;
    fmt::print(
        stderr,
        "seed {} FAILED: the process died (status {:#x}); again: cluster_sim --seed {} --trace\n",
        tally.current[number].load(), status, tally.current[number].load());
  }
  auto seconds = std::chrono::duration<double>(Time::now() - begun).count();
  fmt::print(
      "{} seeds in {:.1f} s, {} failed: {} virtual hours, {} faults, {} experiments, "
      "{} attempts, {} commits, {} messages on links, {} steps\n",
      tally.done.load(), seconds, tally.failed.load(), tally.virtual_seconds / 3600,
      tally.faults.load(), tally.experiments.load(), tally.attempts.load(), tally.commits.load(),
      tally.messages.load(), tally.steps.load());
  return tally.failed == 0 && tally.done > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    auto number = i + 1 < argc ? std::strtoull(argv[i + 1], nullptr, 10) : 0;
    if (word == "--trace")
      options.tracing = true;
    else if (word == "--twice")
      options.twice = true;
    else if (word == "--no-faults")
      options.faults = false;
    else if (word == "--seeds" && ++i < argc)
      options.seeds = number;
    else if (word == "--from" && ++i < argc)
      options.from = number;
    else if (word == "--minutes" && ++i < argc)
      options.minutes = number;
    else if (word == "--jobs" && ++i < argc)
      options.jobs = number;
    else if (word == "--seed" && ++i < argc)
      options.from = number, options.seeds = 1;
    else {
      fmt::print(stderr,
                 "usage: cluster_sim [--seeds N] [--from N] [--minutes N] [--jobs N] [--twice]\n"
                 "                   [--seed N [--trace]] [--no-faults]\n");
      return 2;
    }
  }
  return run(options);
}
