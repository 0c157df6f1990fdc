// How a launcher notices the end of a run: its ranks are reaped, what they left behind is found and
// killed, and with the last of it the run has ended.
#include "runtime/core/log.hpp"
#include "runtime/process/run_manager.hpp"

#include <algorithm>
#include <csignal>
#include <sys/wait.h>

namespace troupe::process {

namespace {

using namespace std::chrono_literals;

/// What ranks of a run get to end themselves when one of them failed: the result is lost anyway,
/// but a last log line or a checkpoint is worth this much.
constexpr auto failure_grace = Duration{5000};

}  // namespace

void RunManager::reap() {
  std::vector<std::string> touched;
  while (true) {
    siginfo_t info{};
    // Looked at before it is taken: while it is a zombie, its group's number is still its own.
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) break;
    auto found = ranks_.find(info.si_pid);
    if (found != ranks_.end()) {
      ::kill(-info.si_pid, SIGKILL);
      auto [run, rank, spawn] = found->second;
      ranks_.erase(found);
      spawned(spawn);  // where its end is known before its beginning
      rank_ended(*run, rank, info.si_code, info.si_status);
      if (run->alive_count == 0) touched.push_back(run->status.key);
    } else {
      strays_.erase(info.si_pid);
      spawner_.died(info.si_pid);
    }
    siginfo_t taken{};
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &taken, WEXITED | WNOHANG);
  }
  for (auto& [key, run] : live_)
    if (run->sweep_at != never) touched.push_back(key);
  for (auto& key : touched)
    if (auto run = live_.find(key); run != live_.end()) settle(*run->second);
}

void RunManager::rank_ended(Run& run, size_t rank, int code, int status) {
  auto& exit = run.status.exits[rank];
  exit.at = clock_.now();
  (code == CLD_EXITED ? exit.code : exit.signal) = status;
  run.alive[rank] = false;
  --run.alive_count;
  bool bad = code != CLD_EXITED || status != 0;
  if (!bad || run.status.first_failed >= 0) return;
  run.status.first_failed = static_cast<int32_t>(rank);
  if (run.alive_count > 0) end_softly(run, failure_grace);
}

void RunManager::settle(Run& run) {
  if (run.alive_count > 0) return;
  auto left = leftovers(run);
  if (left.empty()) return finish(run);
  for (auto pid : left) ::kill(pid, SIGKILL);
  await_death(run);
  if (run.limits) run.limits->kill_all();
  // A second round is rare: a deep tree, or one that forks on. Then all that can be found at once.
  if (run.sweeps++ > 0) (void)kill_marked({run.marker, run.tag, run.tag, {}});
  run.sweep_at = std::chrono::steady_clock::now() + std::min(run.sweeps, 20) * 10ms;
  wake_at(run.sweep_at);
}

/// Orphans that belong to this run. Safe to kill by number: they are our children, not yet reaped.
std::vector<pid_t> RunManager::leftovers(const Run& run) {
  std::vector<pid_t> ours;
  for (auto pid : orphans_.list([&](pid_t child) { return is_ours(child); })) {
    auto markers = run_markers(pid);
    auto marked = [&](const std::string& suffix) {
      return std::any_of(markers.begin(), markers.end(),
                         [&](auto& marker) { return marker.ends_with(suffix); });
    };
    auto tag = process_tag(pid);
    if (marked(run.marker) || tag == run.tag || (run.limits && run.limits->holds(pid))) {
      ours.push_back(pid);
      continue;
    }
    bool of_another = std::any_of(live_.begin(), live_.end(),
                                  [&](auto& entry) { return entry.second->tag == tag; });
    if (of_another || marked("+" + name_)) continue;
    // Without a marker or tag (it set the limit itself): by its session, else it goes when the last
    // run goes that lived when it was first seen.
    auto facts = process_facts(pid);
    auto of_session = [&](const Run& of) {
      return facts && std::find(of.status.pids.begin(), of.status.pids.end(), facts->session) !=
                          of.status.pids.end();
    };
    auto seen = strays_.try_emplace(pid, next_run_ - 1).first->second;
    bool other = std::any_of(live_.begin(), live_.end(), [&](auto& entry) {
      return entry.second.get() != &run && entry.second->number <= seen;
    });
    if (of_session(run) || !other) ours.push_back(pid);
  }
  return ours;
}

void RunManager::finish(Run& run) {
  for (auto id : std::vector<uint64_t>{run.pipes}) {
    // Nobody of the run can write any more. What stands in the pipe is taken, but not for ever:
    // somebody else may have been given its other end.
    auto pipe = pipes_.find(id);
    if (pipe != pipes_.end() && drain(pipe->second, 8u << 20)) close_pipe(id);
  }
  auto& status = run.status;
  if (run.limits) {
    status.oom_killed = run.limits->oom_killed();
    status.fork_refused = run.limits->fork_refused();
    std::chrono::microseconds lived{clock_.now().us - status.started.us};
    groups_.give_back(std::move(run.limits), lived, status.oom_killed || status.fork_refused);
    make_ready_later();
  }
  status.state = status.error ? RunState::not_started : RunState::ended;
  if (status.error) {
    // What ranks of a run that never was ended with is our doing, and says nothing.
    status.exits.clear();
    status.first_failed = -1;
  }
  status.pids.clear();
  status.ended = clock_.now();
  status.log_bytes = run.log->end();
  status.log_error = run.log->error();
  if (auto noted = journal_.ended(status); !noted)
    log::error("launcher", "{}", to_string(noted.error()));
  auto kept = live_.extract(status.key);
  if (run.log.use_count() == 1) writers_.erase(run.log_dir);
  events_.ended(status);
  if (!live_.empty()) return;
  for (auto pid : orphans_.list([&](pid_t child) { return is_ours(child); })) ::kill(pid, SIGKILL);
}

}  // namespace troupe::process
