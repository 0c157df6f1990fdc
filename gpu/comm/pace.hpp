// What a rank tells its worker of its collective calls: how many it has ended, and how long it
// waited in them. It stands in a file that the rank maps and the worker reads, so a call costs a
// few stores. One for each process: its communicator of all ranks, or what it says itself where its
// ranks meet in another library.
#pragma once

#include "runtime/core/fd.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::comm {

/// Of one rank of a node, at its local rank. Whoever reads while it is written finds `begun` and
/// `ended` different.
struct PaceRecord {
  std::atomic<uint64_t> begun{0};  // calls
  std::atomic<uint64_t> waited_ns{0};
  std::atomic<uint64_t> ended{0};
  uint64_t unused[5] = {};
};
static_assert(sizeof(PaceRecord) == 64);

struct PaceSeen {
  uint64_t calls = 0;
  std::chrono::nanoseconds waited{0};
  bool operator==(const PaceSeen&) const = default;
};
/// Of the rank with that number on its node, from the bytes of the file; nothing where it has made
/// no call, or is just writing.
std::optional<PaceSeen> seen_pace(std::string_view bytes, uint32_t local_rank);

class Pace {
 public:
  /// Nothing where the environment names no file (TROUPE_PACE), the communicator has not all ranks
  /// of the job, or another one of this process tells already.
  static std::unique_ptr<Pace> open(uint32_t size);
  /// The same for ranks that meet in another library: of all that the environment tells of.
  static std::unique_ptr<Pace> open_of_environment();
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;
  ~Pace();

  /// One more call has ended; `waited` in all calls so far.
  void note(std::chrono::nanoseconds waited);

 private:
  Pace(void* base, size_t bytes, PaceRecord* record)
      : base_{base}, bytes_{bytes}, record_{record} {}

  void* base_ = nullptr;
  size_t bytes_ = 0;
  PaceRecord* record_ = nullptr;
};

}  // namespace troupe::comm
