// The body of the hidden command `troupe launcher --dir D`: the small process that owns the jobs of
// one worker and outlives it. All its files lie in D: launcher.sock, .lock, .journal, .id, .log.
#pragma once

#include <chrono>
#include <string>

namespace troupe::process {

struct LauncherConfig {
  std::string dir;
  /// Goes on in the background, in a session of its own; the caller returns as soon as the folder
  /// is locked.
  bool detach = true;
  /// Ends by itself after so long without a client and without a live run: its memory is on disk.
  std::chrono::milliseconds idle_exit = std::chrono::seconds{60};
};

/// Must be called from the main thread of a program that has no other. Returns an exit code: 0, 1
/// for an error that was printed, 5 where another launcher has the folder.
int launcher_main(const LauncherConfig& config);

}  // namespace troupe::process
