// Following what runs: log lines and state changes as they come, until all of it has ended. Used by
// run, sweep, rerun, wait and logs -f. Main thread.
#pragma once

#include "client/cli/session.hpp"

#include <map>
#include <optional>

namespace troupe::cli {

struct FollowOptions {
  bool logs = true;           // print log lines
  bool print_result = false;  // id and final state on stdout, as `wait` does
  bool states = true;         // say state changes on stderr
  uint64_t tail = 0;          // of logs that are already there; 0: all
  uint64_t after_event = 0;
  std::string way_back;  // what to type to come back, said at Ctrl-C
  std::optional<Duration> timeout;
  std::string role;  // of one job only, with job_index
  int64_t job_index = -1;
};

/// Until every one of `ids` has ended; the exit code as `wait` defines it. 130 where it was
/// interrupted: nothing is stopped.
int follow(Session& session, const std::vector<ExperimentId>& ids, const FollowOptions& options);

/// The exit code of something that has ended: the job's own code, 128+signal, 1 for a set with
/// members that did not finish, 0 when all is well.
int exit_code_of_entry(const Value& entry);

/// One line of a log for people: with the job in front where `prefix`, in that job's colour.
void print_log_line(Session& session, const Value& line, bool prefix);

}  // namespace troupe::cli
