// A short look at what the ranks of a communicator can do together, for the placement receipt of a
// gang: some hundred milliseconds at most, whatever the network. Blocks its thread.
#pragma once

#include "gpu/comm/communicator.hpp"

namespace troupe::comm {

/// Bytes a second, of this rank.
struct ShortLook {
  uint64_t copy = 0;        // within its memory, by one thread
  uint64_t link = 0;        // one way, to the next rank, of the last to rank 0
  uint64_t all_reduce = 0;  // of 4 MiB, or less where links are slow, on a ring's busiest
  uint64_t latency_ns = 0;  // of an all_reduce of 1 KiB
};

/// All ranks call it; there are at least two. No link is used both ways at a time.
Result<ShortLook> look_briefly(Communicator& ranks);

}  // namespace troupe::comm
