// The runs of one launcher: starts them, collects their output, notices their ends and makes sure
// that nothing of them stays. Lives on the launcher's loop; its descriptors are in the loop's epoll
// set under the numbers it gives them.
//
//   start -> [spawn] -> live --all ranks exited--> sweep leftovers --none left--> ended
//                         | stop, or one rank failed: SIGTERM, after the grace SIGKILL
//
// A run is in the journal, can be stopped and is swept as soon as its processes exist; it is told
// as started when all of them have called exec and live on for a moment, and as not started when
// one could not.
#pragma once

#include "runtime/process/group_pool.hpp"
#include "runtime/process/journal.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/process/line_splitter.hpp"
#include "runtime/process/log_store.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/spawn.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe::process {

struct RunEvents {
  std::function<void(const RunStatus&)> started, ended, stuck;
  std::function<void(const std::string& key, uint64_t log_bytes)> logged;
};

class RunManager {
 public:
  /// Numbers in the epoll set below this belong to the loop itself.
  static constexpr uint64_t first_id = 16;

  /// `name` marks the processes of this launcher's folder, for ever. Whatever the journal says is
  /// still running was left by a launcher that died: it is ended first.
  RunManager(Journal journal, std::string name, int epoll, uint64_t open_files_max,
             RunEvents events);
  ~RunManager();

  void start(RunRequest request);
  void stop(const std::string& key, Duration grace);
  void renew(std::chrono::nanoseconds until);
  void forget(const std::string& key);
  void kill_everything();

  /// SIGCHLD came.
  void reap();
  /// The descriptor of this number is ready.
  void ready(uint64_t id);
  /// Does what is due; then tells in how many milliseconds to come back, -1 for never.
  int tick();

  size_t live() const { return live_.size(); }
  /// Whether a process has not shown yet that its command can be run.
  bool starting() const { return !starting_.empty(); }
  std::vector<RunStatus> snapshot();

 private:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr Time never = Time::max();
  /// A command that lives shorter is told by its end alone: the way of one more message through the
  /// cluster costs as much as such a command itself, and nobody acts on it that soon.
  static constexpr Duration tell_start_after{3};

  struct Run {
    RunStatus status;
    std::string marker;
    uint64_t tag = 0;         // of its processes
    std::vector<bool> alive;  // by rank
    size_t alive_count = 0;
    size_t starting = 0;  // of these, not known to have called exec
    std::shared_ptr<LogWriter> log;
    std::string log_dir;
    std::vector<uint64_t> pipes;
    uint64_t number = 0;                 // in order of starts
    std::unique_ptr<RunLimits> limits;   // null: none
    std::vector<pid_t> parked;           // processes that wait in them for their commands
    std::unique_ptr<MountShare> mounts;  // its plan, until all ranks have left our memory
    Time tell_start_at = never, kill_at = never, sweep_at = never, tell_log_at = never,
         tell_stuck_at = never;
    Time lease_until = never;  // whoever renews it when it has run out comes too late
    bool terminated = false;   // SIGTERM was sent
    int sweeps = 0;
  };
  struct Pipe {
    UniqueFd fd;
    LineSplitter splitter;
    Run* run;
    Time part_at = never;  // when to show a line that did not end
  };
  struct Rank {
    Run* run;
    size_t number;
    uint64_t spawn;  // its number in `starting_`
  };
  struct Starting {
    Spawn spawn;
    Run* run;
    bool watched;  // in the epoll set
  };

  void recover();
  /// Nothing has started or ended for a moment: time for what makes the next start quick.
  void make_ready_later();
  void limit(Run& run, const RunRequest& request);
  Result<void> spawn_ranks(Run& run, RunRequest& request, JournalRun& entry);
  Result<void> watch(int fd, uint64_t id, const std::string& key);
  void unwatch(int fd);
  void spawned(uint64_t id);
  void begun(Run& run);
  void refuse(const std::string& key, Error error, RunState state = RunState::not_started);

  // run_output.cpp
  void look_at_start(Run& run);
  bool drain(Pipe& pipe, size_t bytes_max);
  void put_records(Run& run);
  void close_pipe(uint64_t id);

  // run_stop.cpp
  void end_softly(Run& run, Duration grace);
  static void signal_ranks(const Run& run, int signal);
  void kill_ranks(Run& run);
  void await_death(Run& run);
  void tell_stuck(Run& run);

  // run_end.cpp
  void rank_ended(Run& run, size_t rank, int code, int status);
  void settle(Run& run);
  std::vector<pid_t> leftovers(const Run& run);
  void finish(Run& run);

  /// A child that is no orphan.
  bool is_ours(pid_t child) const { return ranks_.contains(child) || spawner_.parked(child); }
  std::shared_ptr<LogWriter> writer_for(const std::string& dir, uint64_t bytes_max);
  void wake_at(Time time) { wake_ = std::min(wake_, time); }

  Journal journal_;
  std::string name_;
  int epoll_;
  RunEvents events_;
  SystemClock clock_;
  Orphans orphans_;
  Spawner spawner_;
  GroupPool groups_;
  UniqueFd null_;
  std::unordered_map<std::string, std::unique_ptr<Run>> live_;
  std::unordered_map<pid_t, Rank> ranks_;
  std::unordered_map<uint64_t, Starting> starting_;
  std::unordered_map<uint64_t, Pipe> pipes_;
  std::unordered_map<std::string, std::weak_ptr<LogWriter>> writers_;
  std::unordered_map<pid_t, uint64_t>
      strays_;           // orphans of unknown run: newest run when first seen
  std::string records_;  // being collected for one append
  std::string buffer_;
  uint64_t next_id_ = first_id;
  uint64_t next_run_ = 1;
  Time wake_ = never;
  Time ready_at_ = never;  // for runs like those that were
};

}  // namespace troupe::process
