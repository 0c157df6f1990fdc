// The calls in which a process stands, by `eu-stack` of elfutils: for people who want to know why
// it makes no progress. The process is stopped for some milliseconds while its stack is read, so
// only one that stands still anyway is worth that.
#pragma once

#include <memory>
#include <string>
#include <sys/types.h>

namespace troupe::process {

/// One look, on a thread of its own: symbols of large libraries take their time to read. Ends with
/// the object.
class StackLook {
 public:
  virtual ~StackLook() = default;
  /// Names of the functions of its first thread, innermost first: "pthread_cond_wait <
  /// c10d::Work::wait < main". Empty so far, or where it cannot be had: no elfutils, no permission,
  /// no names.
  virtual std::string text() const = 0;
};

std::unique_ptr<StackLook> look_at_stack(pid_t pid);

/// What eu-stack wrote, in one line: without addresses, versions and frames that have no names.
std::string stack_line(const std::string& written);

}  // namespace troupe::process
