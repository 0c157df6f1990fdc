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
#include <unistd.h>

namespace troupe::process {
namespace {

using namespace std::chrono_literals;

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
    status.error = Error{Errc::failed, fmt::format("run {} was lost", name_of(key)),
                         "the launcher died", "start it again; the log up to that moment is kept"};
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
    return refuse(request.key,
                  {Errc::exhausted, fmt::format("run {} not started", name_of(request.key)),
                   fmt::format("the launcher holds {} runs", runs_max), ""});
  if (auto room = journal_.has_room(); !room) return refuse(request.key, room.error());
  if (request.lease_until.count() > 0 && Time{request.lease_until} <= Time::clock::now())
    return refuse(request.key,
                  {Errc::unavailable, fmt::format("run {} not started", name_of(request.key)),
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
        return errno_error(errno, fmt::format("run {} not started", name_of(request.key)),
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
    return errno_error(errno, fmt::format("run {} not started", name_of(key)));
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

void RunManager::forget(const std::string& key) {
  if (live_.contains(key)) return;
  if (auto noted = journal_.forgotten(key); !noted)
    log::warning("launcher", "{}", to_string(noted.error()));
}

}  // namespace troupe::process
