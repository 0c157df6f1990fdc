// What the processes of a rank do right now, as the kernel tells: for people who want to know why
// it stands still. Stateless; any thread.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>

namespace troupe::process {

struct ProcessLook {
  /// Of its processes the one that has used most CPU time: "process 123 (python3): sleeping in
  /// tcp_recvmsg, system call recvfrom". "process 123 is gone" where there is none.
  std::string text;
  /// Of all its processes, since they began.
  std::chrono::milliseconds cpu{0};
  /// The process of the text; 0 where there is none.
  pid_t busiest = 0;
};

/// Of a process with all its descendants.
ProcessLook look_at(pid_t pid);

/// "recvfrom", or "45" where there is no name for it here: those in which processes wait have one.
std::string system_call_text(long number);

}  // namespace troupe::process
