// The launcher's durable memory of its runs: D/launcher.journal. It survives any death of the
// launcher (not a power cut: then no process is left that it could tell of). Appended to with
// single writes, without syncs, into space allocated before, so that an end can be recorded on a
// full disk; starts are refused first. Owned by the launcher's loop.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/process/launcher.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::process {

/// A process as it can be told from a later one with the same number: the kernel stamps each with
/// its start, in clock ticks since boot; it lies between these two.
struct ProcessStamp {
  int32_t pid = 0;
  uint64_t ticks_min = 0;
  uint64_t ticks_max = 0;
};

struct JournalRun {
  RunStatus status;
  std::string log_dir;
  std::vector<ProcessStamp> processes;  // of one that has not ended
};

class Journal {
 public:
  /// Reads what is there, stops at the first record that is not whole, and rewrites it compactly.
  static Result<Journal> open(const std::string& path);

  /// What the last launcher left. `same_boot`: the stamps in it can still mean something.
  std::map<std::string, JournalRun>& runs() { return runs_; }
  bool same_boot() const { return same_boot_; }

  /// exhausted where the disk is full: then nothing may be started. Asked before, so that no
  /// command runs that could not be remembered.
  Result<void> has_room();
  Result<void> started(const JournalRun& run);
  /// Takes from the reserve where the disk is full.
  Result<void> ended(const RunStatus& status);
  Result<void> forgotten(const std::string& key);

 private:
  explicit Journal(std::string path) : path_{std::move(path)} {}
  void load();
  Result<void> compact();
  Result<void> append(const std::string& body, uint64_t reserve);
  bool allocate(uint64_t bytes);

  std::string path_;
  UniqueFd fd_;
  uint64_t size_ = 0;
  uint64_t allocated_ = 0;
  uint64_t compact_at_ = 0;
  bool same_boot_ = false;
  std::map<std::string, JournalRun> runs_;
};

}  // namespace troupe::process
