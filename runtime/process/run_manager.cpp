#include "runtime/process/run_manager.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/process/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

using namespace std::chrono_literals;

/// What ranks of a run get to end themselves when one of them failed: the result is lost anyway,
/// but a last log line or a checkpoint is worth this much.
constexpr auto failure_grace = Duration{5000};
constexpr auto stuck_again_after = 10s;
/// Far more than a worker ever leaves unforgotten; bounds our memory.
constexpr size_t runs_max = 200'000;

/// A tag names the launcher's folder by its high bits, so that the next launcher there finds what
/// this one left, and the run by the low ones, which begin anew with each launcher. Never 0, and
/// below what stands for no limit.
constexpr int run_bits = 24;
uint64_t folder_tag(const std::string& name) {
  return (std::strtoull(sha256_hex(name).substr(0, 9).c_str(), nullptr, 16) + 1) << run_bits;
}
constexpr uint64_t run_mask = (uint64_t{1} << run_bits) - 1;

}  // namespace

RunManager::RunManager(Journal journal, std::string name, int epoll, uint64_t open_files_max,
                       RunEvents events)
    : journal_{std::move(journal)},
      name_{std::move(name)},
      epoll_{epoll},
      events_{std::move(events)},
      spawner_{open_files_max},
      groups_{probe_confinement(), sha256_hex(name_).substr(0, 16), spawner_} {
  buffer_.resize(64u << 10);  // as much as a pipe holds
  if (auto fd = open_file("/dev/null", O_RDONLY); fd) null_ = std::move(*fd);
  recover();
}

RunManager::~RunManager() = default;

void RunManager::recover() {
  Marks marks{"+" + name_, folder_tag(name_), folder_tag(name_) | run_mask, {}};
  for (auto& [key, run] : journal_.runs())
    if (run.status.state == RunState::running && journal_.same_boot())
      marks.known.insert(marks.known.end(), run.processes.begin(), run.processes.end());
  // They die by themselves with their parent; what they had forked does not. Also without a record:
  // the launcher may have died between a start and writing it down.
  for (int round = 0; round < 500 && kill_marked(marks) > 0; ++round) ::usleep(2000);
  for (auto& [key, run] : journal_.runs()) {
    if (run.status.state != RunState::running) continue;
    auto status = run.status;
    status.state = RunState::ended;
    status.ended = clock_.now();
    status.exits.assign(std::max<size_t>(run.processes.size(), 1), {0, SIGKILL, status.ended});
    status.pids.clear();
    status.log_bytes = LogWriter{run.log_dir, 0}.end();
    status.error = Error{Errc::failed, fmt::format("run {} was lost", key), "the launcher died",
                         "start it again; the log up to that moment is kept"};
    if (auto noted = journal_.ended(status); !noted)
      log::error("launcher", "{}", to_string(noted.error()));
  }
}

std::vector<RunStatus> RunManager::snapshot() {
  std::vector<RunStatus> all;
  for (auto& [key, entry] : journal_.runs()) {
    auto run = live_.find(key);
    all.push_back(run == live_.end() ? entry.status : run->second->status);
    if (run != live_.end()) {
      all.back().log_bytes = run->second->log->end();
      all.back().log_error = run->second->log->error();
    }
  }
  return all;
}

void RunManager::refuse(const std::string& key, Error error, RunState state) {
  RunStatus status;
  status.key = key;
  status.state = state;
  status.error = std::move(error);
  status.started = status.ended = clock_.now();
  // On a full disk the refusal is not remembered: then the same start is simply tried again.
  (void)journal_.ended(status);
  events_.ended(status);
}

void RunManager::start(RunRequest request) {
  auto known = journal_.runs().find(request.key);
  if (known != journal_.runs().end()) {
    auto& status = known->second.status;
    auto run = live_.find(request.key);
    if (run != live_.end() && (run->second->tell_start_at != never || run->second->starting > 0 ||
                               run->second->status.error))
      return;  // will be told
    (status.state == RunState::running ? events_.started : events_.ended)(status);
    return;
  }
  if (auto good = check(request); !good) return refuse(request.key, good.error());
  if (journal_.runs().size() >= runs_max)
    return refuse(request.key, {Errc::exhausted, fmt::format("run {} not started", request.key),
                                fmt::format("the launcher holds {} runs", runs_max), ""});
  if (auto room = journal_.has_room(); !room) return refuse(request.key, room.error());
  if (request.lease_until.count() > 0 && Time{request.lease_until} <= Time::clock::now())
    return refuse(request.key,
                  {Errc::unavailable, fmt::format("run {} not started", request.key),
                   "its lease ran out before that", "it is started again by itself"},
                  RunState::ended);

  auto run = std::make_unique<Run>();
  run->status.key = request.key;
  run->status.started = clock_.now();
  run->marker = request.key + "+" + name_;
  run->number = next_run_++;
  run->tag = folder_tag(name_) | (run->number & run_mask);
  if (request.lease_until.count() > 0) wake_at(run->lease_until = Time{request.lease_until});
  run->log_dir = request.log_dir;
  run->log = writer_for(request.log_dir, request.log_bytes_max);
  run->status.exits.resize(request.processes.size());
  limit(*run, request);
  JournalRun entry;
  auto good = spawn_ranks(*run, request, entry);
  entry.log_dir = request.log_dir;
  entry.status = run->status;
  if (good) good = journal_.started(entry);
  if (!good) {
    if (run->alive_count == 0) {
      for (auto id : std::vector<uint64_t>{run->pipes}) close_pipe(id);
      return refuse(request.key, good.error());
    }
    journal_.runs()[request.key] = entry;
    run->status.error = good.error();
  }
  auto& kept = *run;
  live_[request.key] = std::move(run);
  if (!good) kill_ranks(kept);
  kept.tell_start_at = std::chrono::steady_clock::now() + tell_start_after;
  wake_at(kept.tell_start_at);
  std::vector<uint64_t> settled;
  for (auto& [id, starting] : starting_)
    if (starting.spawn.fd() < 0) settled.push_back(id);
  for (auto id : settled) spawned(id);
}

/// Before there is anything to limit. Where limits cannot be set, they are reservations.
void RunManager::limit(Run& run, const RunRequest& request) {
  LimitsWanted wanted{request.cpus, request.mem, request.processes_max};
  // Where a run is limited at all, it cannot take the machine's processes from all others.
  static const auto processes_usual = default_processes_max();
  if (wanted.processes == 0 && (wanted.cpus > 0 || wanted.mem > 0))
    wanted.processes = processes_usual;
  auto groups = groups_.take(wanted, request.processes.size());
  if (!groups) return log::warning("launcher", "{}: {}", request.key, to_string(groups.error()));
  run.limits = std::move(groups->limits);
  run.parked = std::move(groups->parked);
  if (run.limits) make_ready_later();
}

void RunManager::make_ready_later() {
  constexpr auto quiet = 5ms;
  ready_at_ = std::chrono::steady_clock::now() + quiet;
  wake_at(ready_at_);
}

Result<void> RunManager::spawn_ranks(Run& run, RunRequest& request, JournalRun& entry) {
  if (!request.mounts.empty()) {
    auto share = MountShare::prepare(std::move(request.mounts), std::move(request.hidden),
                                     request.processes.size());
    if (!share) return std::move(share).error();
    run.mounts = std::make_unique<MountShare>(std::move(*share));
  }
  for (size_t rank = 0; rank < request.processes.size(); ++rank) {
    SpawnPlan plan;
    plan.mounts = run.mounts.get();
    plan.process = std::move(request.processes[rank]);
    plan.marker = run.marker;
    plan.tag = run.tag;
    plan.input = null_.get();
    UniqueFd ends[2];
    for (int stream = 0; stream < 2; ++stream) {
      int fds[2];
      if (::pipe2(fds, O_CLOEXEC) != 0)
        return errno_error(errno, fmt::format("run {} not started", request.key),
                           "too many processes for the launcher's file limit (ulimit -n)?");
      ends[stream].reset(fds[1]);
      ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
      auto id = next_id_++;
      pipes_.emplace(id, Pipe{UniqueFd{fds[0]},
                              LineSplitter{static_cast<uint32_t>(rank), stream == 0 ? 'o' : 'e'},
                              &run, never});
      run.pipes.push_back(id);
      TROUPE_TRY(watch(fds[0], id, request.key));
    }
    plan.output = ends[0].get();
    plan.error = ends[1].get();
    plan.limits = run.limits.get();
    if (rank < run.parked.size()) plan.parked = run.parked[rank];
    auto spawn = spawner_.begin(std::move(plan));
    if (!spawn) return std::move(spawn).error();
    auto pid = spawn->pid();
    auto id = next_id_++;
    entry.processes.push_back(spawn->stamp());
    run.status.pids.push_back(pid);
    run.alive.push_back(true);
    ++run.alive_count;
    ++run.starting;
    ranks_[pid] = {&run, rank, id};
    starting_.emplace(id, Starting{std::move(*spawn), &run, false});
    if (run.mounts) TROUPE_TRY(run.mounts->follow(pid));
  }
  if (run.mounts) run.mounts->leave();
  return ok();
}

Result<void> RunManager::watch(int fd, uint64_t id, const std::string& key) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0)
    return errno_error(errno, fmt::format("run {} not started", key));
  return ok();
}

/// Closing is not enough: a child that has not called exec yet holds a copy, and as long as it does
/// the kernel would wake us for what we read no more, again and again.
void RunManager::unwatch(int fd) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

/// A child has left our memory: its command runs, or it could not be run.
void RunManager::spawned(uint64_t id) {
  auto found = starting_.find(id);
  if (found == starting_.end()) return;
  auto& run = *found->second.run;
  if (found->second.watched) unwatch(found->second.spawn.fd());
  auto failure = spawner_.finish(std::move(found->second.spawn));
  starting_.erase(found);
  --run.starting;
  if (failure && !run.status.error) {
    run.status.error = std::move(failure);
    kill_ranks(run);
  }
  if (run.tell_start_at == never) begun(run);
}

/// Tells that it has begun, where it has.
void RunManager::begun(Run& run) {
  if (run.starting > 0 || run.status.error) return;
  events_.started(run.status);
}

std::shared_ptr<LogWriter> RunManager::writer_for(const std::string& dir, uint64_t bytes_max) {
  auto& known = writers_[dir];
  auto writer = known.lock();
  if (!writer) known = writer = std::make_shared<LogWriter>(dir, bytes_max);
  return writer;
}

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

void RunManager::forget(const std::string& key) {
  if (live_.contains(key)) return;
  if (auto noted = journal_.forgotten(key); !noted)
    log::warning("launcher", "{}", to_string(noted.error()));
}

void RunManager::kill_everything() {
  for (auto& [key, run] : live_) {
    run->status.stopped = true;
    kill_ranks(*run);
  }
}

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
