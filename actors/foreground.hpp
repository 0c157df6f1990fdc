// What the daemons and `up` have in common as programs: one owner a folder, words for people, and
// stopping on a signal. Called from main alone, before the process has other threads.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

namespace troupe::actors {

/// A line on standard output, at once.
void say(const std::string& line);
/// An error on standard error as the command line prints them; the exit code for it.
int complain(const Error& error);

/// One process a folder: the lock `NAME.lock` is held as long as the descriptor lives. conflict
/// where another has it; `detail` and `hint` say what to do.
Result<UniqueFd> lock_folder(const std::string& dir, const std::string& name, const Error& taken);

/// The same for the folder of a head; `up` is one too. conflict, naming who serves there.
Result<UniqueFd> lock_head(const std::string& dir, const std::string& taken);

/// SIGINT, SIGTERM and SIGHUP are taken by wait() alone.
class StopSignals {
 public:
  /// Blocks them in this thread and all it starts.
  StopSignals();
  void wait() const;
  /// Whether one comes within so long.
  bool came_within(std::chrono::seconds limit) const;
  /// From now on a second signal, or `limit`, ends the process: the ledger has the truth and the
  /// launcher the jobs.
  void end_after(std::chrono::seconds limit) const;

 private:
  sigset_t set_;
};

/// A program that runs until a signal stops it.
struct Foreground {
  std::function<Result<void>()> start;
  std::function<std::vector<std::string>()> greeting;  // when it has started
  std::string farewell;                                // when a signal has come
  std::chrono::seconds stop_limit;
  std::function<void(bool started)> stop;
};

/// From its start to its end; its exit code.
int run_foreground(const StopSignals& signals, const Foreground& program);

}  // namespace troupe::actors
