// What a process does between its making and its command (spawn.hpp). It runs in the launcher's
// memory, beside the launcher, on a stack of its own: bare system calls only, and nothing is
// written but its own block.
#pragma once

#include "runtime/process/confinement.hpp"
#include "runtime/process/run_mounts.hpp"

#include <cstddef>
#include <cstdint>
#include <sys/resource.h>
#include <sys/types.h>

namespace troupe::process {

/// Of a child that was made beforehand: how far it is, and its parent with it.
enum class Seat : uint32_t {
  none,      // it was not made beforehand
  entering,  // the kernel has not let it into its groups yet
  waiting,   // for its command, which its parent puts into the block
  called,    // the block is complete
  taken,     // it has read what it shared, and needs nothing of its parent any more but the block
  given_up,  // its parent has: it is to end
};

/// Where a child came to its end without a command.
enum class SpawnStep : int { none, mounts, folder, exec };

/// What a child reads, and the words it writes.
struct SpawnChild {
  Seat seat = Seat::none;  // changed by compare and exchange; a futex
  int groups[groups_max];  // what it enters; -1: nothing
  pid_t parent = 0;

  // From here on: complete when a child that was made beforehand is called.
  char* const* argv = nullptr;
  char* const* env = nullptr;
  const char* const* candidates = nullptr;  // paths to try, ends with nullptr
  const char* cwd = nullptr;                // may be nullptr
  int input = -1, output = -1, error = -1;
  MountEntry mounts;
  int left = -1;                   // closes when it has left; -1: the parent waits by itself
  const uint64_t* cpus = nullptr;  // bits; may run on these alone; nullptr: on all
  size_t cpus_bytes = 0;
  const uint64_t* memory = nullptr;  // bits of NUMA nodes to take memory from first; nullptr: any
  size_t memory_bits = 0;
  rlimit open_files{};
  rlimit tag{};

  SpawnStep failed = SpawnStep::none;
  int number = 0;
  MountFailure mount_failure;
};

/// Of clone(2); takes a SpawnChild.
int spawn_child_main(void* child);

/// Changes what stands there; false where it was something else.
bool change_seat(Seat& seat, Seat from, Seat to);
Seat seat_now(const Seat& seat);
/// Wakes whoever waits for a change.
void tell_seat(Seat& seat);
/// Waits until it is not `from` any more, for that long at most (null: for ever), or for no reason.
void await_seat(Seat& seat, Seat from, const timespec* longest);

}  // namespace troupe::process
