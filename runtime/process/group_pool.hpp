// The groups of one launcher's runs. Those of short runs are used again: to make and to remove them
// takes longer than such a run. Lives on the launcher's loop.
#pragma once

#include "runtime/process/confinement.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace troupe::process {

class GroupPool {
 public:
  /// `name` is the launcher's own, on this machine: what one of that name has left is ended.
  GroupPool(Confinement where, std::string name);

  /// Null where nothing of this can be limited here.
  Result<std::unique_ptr<RunLimits>> take(const LimitsWanted& wanted);
  /// After a run of that length; `met` a limit: its counters begin nowhere near zero.
  void give_back(std::unique_ptr<RunLimits> groups, std::chrono::microseconds lived, bool met);

 private:
  Confinement where_;
  std::string name_;
  uint64_t next_ = 1;
  std::vector<std::unique_ptr<RunLimits>> spare_;
};

}  // namespace troupe::process
