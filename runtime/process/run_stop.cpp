// How a launcher stops a run: softly with a grace, or at once, and until nothing of it is left that
// could be killed.
#include "runtime/core/limits.hpp"
#include "runtime/process/run_manager.hpp"

#include <algorithm>
#include <csignal>

namespace troupe::process {

namespace {

using namespace std::chrono_literals;

constexpr auto stuck_again_after = 10s;

}  // namespace

void RunManager::stop(const std::string& key, Duration grace) {
  auto found = live_.find(key);
  if (found == live_.end()) return;
  found->second->status.stopped = true;
  end_softly(*found->second, grace);
}

void RunManager::renew(std::chrono::nanoseconds until) {
  auto now = std::chrono::steady_clock::now();
  for (auto& [key, run] : live_)
    if (run->lease_until != never && run->lease_until > now)
      wake_at(run->lease_until = std::max(run->lease_until, Time{until}));
}

void RunManager::end_softly(Run& run, Duration grace) {
  grace = std::clamp(grace, Duration{0}, Duration{std::chrono::hours{24 * 365}});
  run.kill_at = std::min(run.kill_at, std::chrono::steady_clock::now() + grace);
  if (grace <= Duration{0}) return kill_ranks(run);
  wake_at(run.kill_at);
  if (std::exchange(run.terminated, true)) return;
  signal_ranks(run, SIGTERM);
}

/// A rank leads a group of its own, whose number nobody else can get before we reaped the rank.
/// Only in its first microseconds it has none yet; then it is alone.
void RunManager::signal_ranks(const Run& run, int signal) {
  for (size_t rank = 0; rank < run.alive.size(); ++rank)
    if (run.alive[rank] && ::kill(-run.status.pids[rank], signal) != 0)
      ::kill(run.status.pids[rank], signal);
}

void RunManager::kill_ranks(Run& run) {
  signal_ranks(run, SIGKILL);
  if (run.limits) run.limits->kill_all();
  run.kill_at = std::chrono::steady_clock::now() + 200ms;  // until they are gone
  wake_at(run.kill_at);
  await_death(run);
}

void RunManager::kill_everything() {
  for (auto& [key, run] : live_) {
    run->status.stopped = true;
    kill_ranks(*run);
  }
}

/// From the first SIGKILL on.
void RunManager::await_death(Run& run) {
  if (run.tell_stuck_at != never) return;
  run.tell_stuck_at = std::chrono::steady_clock::now() + limits::stuck_after;
  wake_at(run.tell_stuck_at);
}

/// Those that remain. Said again: whoever is to hear it may have been away.
void RunManager::tell_stuck(Run& run) {
  run.tell_stuck_at = std::chrono::steady_clock::now() + stuck_again_after;
  auto status = run.status;
  std::erase_if(status.pids, [&](pid_t pid) { return !ranks_.contains(pid); });
  for (auto pid : leftovers(run)) status.pids.push_back(pid);
  if (!status.pids.empty()) events_.stuck(status);
}

}  // namespace troupe::process
