// The groups of one launcher's runs. Those of short runs are used again: to make and to remove them
// takes longer than such a run. And while nothing starts, there are always some for another run
// like the last ones, with processes that wait in them (spawn.hpp): the next such run begins at
// once. Lives on the launcher's loop.
#pragma once

#include "runtime/process/confinement.hpp"
#include "runtime/process/spawn.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace troupe::process {

/// What a run gets.
struct RunGroups {
  std::unique_ptr<RunLimits> limits;  // null where nothing of what it wants can be limited here
  std::vector<pid_t> parked;          // in them; as many as it has processes, or fewer
};

class GroupPool {
 public:
  /// `name` is the launcher's own, on this machine: what one of that name has left is ended.
  /// `spawner` outlives this.
  GroupPool(Confinement where, std::string name, Spawner& spawner);

  /// For a run of so many processes.
  Result<RunGroups> take(const LimitsWanted& wanted, size_t processes);
  /// After a run of that length; `met` a limit: its counters begin nowhere near zero.
  void give_back(std::unique_ptr<RunLimits> groups, std::chrono::microseconds lived, bool met);
  /// Makes ready what runs like the last ones will want. When nothing is about to start: it takes a
  /// while, and where starts follow each other closely, they would find nobody waiting yet.
  void make_ready();

 private:
  struct Shape {
    LimitsWanted wanted;
    size_t processes = 0;
    bool operator==(const Shape&) const = default;
  };
  struct Spare {
    std::unique_ptr<RunLimits> limits;
    std::vector<pid_t> parked;
  };
  Result<std::unique_ptr<RunLimits>> make(const LimitsWanted& wanted);
  void park(Spare& spare, size_t processes);
  size_t parked() const;

  Confinement where_;
  std::string name_;
  Spawner& spawner_;
  uint64_t next_ = 1;
  std::vector<Spare> spare_;
  std::vector<Shape> lately_;  // of the last runs, each once, the last one at the end
};

}  // namespace troupe::process
