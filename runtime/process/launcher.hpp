// Running process groups outside of the worker. A run is one set of processes (the ranks of one
// phase of one job) started together and ended together. It lives in the launcher, a process of its
// own, so it survives the worker's death; the worker finds it again on the next connection.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::process {

/// A run as people are told of it: its key up to the first '/', behind which counters follow.
inline std::string_view name_of(std::string_view key) {
  return key.substr(0, key.find('/'));
}

struct ProcessSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in the PATH of `env` where it has no '/'
  std::vector<std::string> env;   // "NAME=value", the whole environment
  std::string cwd;
  std::vector<uint32_t> cpus{};    // it may run on these alone; none: on all
  std::vector<uint32_t> memory{};  // NUMA nodes that its memory comes from while they have any
};

/// A folder that the processes of a run see in the place of another, and nobody else does.
struct RunMount {
  std::string source;
  std::string target;  // a folder, too
  /// Where what they write goes, and a folder beside it for the kernel's own use; empty: it is
  /// read-only.
  std::string upper, work;
  bool operator==(const RunMount&) const = default;
};

struct RunRequest {
  std::string key;  // names the run for ever; starting a known key again changes nothing
  std::vector<ProcessSpec> processes;  // one for each rank
  std::string log_dir;         // where the log store lies; runs of one job append to the same one
  uint64_t log_bytes_max = 0;  // of the whole store on disk; 0: the default limit
  double cpus = 0;             // cgroup limits where the machine has them; 0: none
  uint64_t mem = 0;
  /// Killed at that monotonic time, which renew() moves; 0: never.
  std::chrono::nanoseconds lease_until{0};
  uint64_t processes_max = 0;  // and threads; 0: a share of what the machine has
  std::vector<RunMount> mounts;
  std::string hidden;  // with mounts: what is mounted at and below it is not seen by the run
};

struct ProcessExit {
  int32_t code = 0;  // exit code, where signal is 0
  int32_t signal = 0;
  Timestamp at;
};

enum class RunState : uint8_t { running = 1, ended = 2, not_started = 3 };

struct RunStatus {
  std::string key;
  RunState state = RunState::running;
  std::vector<int32_t> pids;       // by rank, while running
  std::vector<ProcessExit> exits;  // by rank, once ended
  int32_t first_failed = -1;       // rank whose bad end came first
  bool oom_killed = false;         // a memory limit ended it, as far as the cgroup says
  bool fork_refused = false;       // it wanted more processes than it may have, likewise
  bool stopped = false;            // somebody asked for its end
  std::optional<Error> error;      // why it was not started, or how the launcher lost it
  Timestamp started, ended;
  uint64_t log_bytes = 0;  // logical end of the log (see log_store.hpp)
  std::string log_error;   // where output was lost (a full disk): how much, and why; else empty
};

/// What the launcher says; called on the client's own thread, one at a time.
struct LauncherEvents {
  /// After every connection, first: all runs that were not forgotten, also those that ended
  /// meanwhile.
  std::function<void(std::vector<RunStatus>)> connected;
  std::function<void(const RunStatus&)> started;
  std::function<void(const RunStatus&)> ended;  // also for a run that could not be started
  std::function<void(const std::string& key, uint64_t log_bytes)>
      logged;  // the log grew; at most some times a second
  /// These processes live on although they were killed long ago; said again some times a minute.
  std::function<void(const RunStatus&)> stuck;
  /// The launcher is gone (a new one is started by itself; `connected` follows).
  std::function<void(const Error&)> lost;
};

/// The worker's handle on its launcher. Calls never block and may come from any thread; they are
/// delivered in order.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual void start(RunRequest request) = 0;
  /// SIGTERM to all processes now, SIGKILL to the whole tree after `grace`. Zero grace kills at
  /// once. Repeating it may only shorten the grace.
  virtual void stop(const std::string& key, Duration grace) = 0;
  /// All runs with a lease that has not run out may go on until that monotonic time, whatever
  /// becomes of this worker.
  virtual void renew(std::chrono::nanoseconds until) = 0;
  /// Drops the record of an ended run; its log stays.
  virtual void forget(const std::string& key) = 0;
};

}  // namespace troupe::process
