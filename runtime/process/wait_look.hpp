// Whether a process waits for word from others right now, or works, sleeps or reads a disk: what
// tells ranks that wait for a slow one from that one, whatever they meet with. Stateless; any
// thread.
#pragma once

#include <chrono>
#include <optional>
#include <sys/types.h>

namespace troupe::process {

/// Of the first thread of a process: that is where a training loop runs.
struct WaitLook {
  /// Since it began: that it ran, or would have if there had been a processor.
  std::chrono::nanoseconds busy{0};
  enum class Now {
    runs,   // or would, if there were a processor
    waits,  // for a message, or for another thread; and no child of it does anything
    other,  // sleeps by a clock, waits for a disk, a child does something for it, ...
  };
  Now now = Now::other;
};

/// Nothing where the process is gone, or the kernel does not say.
std::optional<WaitLook> look_at_wait(pid_t pid);

}  // namespace troupe::process
