// How quick all_reduce of float32 is, beside what memory or the network allow at the same moment,
// and what can be said of that. Ranks measure on their own threads; the rest is pure.
#pragma once

#include "gpu/comm/communicator.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace troupe::comm {

struct MeasuredSize {
  uint64_t bytes = 0;
  double seconds = 0;  // the median call
  /// In one host: all ranks copy as much at once. Else what the link needs for its part.
  double limit_seconds = 0;
};

/// Rank 0's; those of the others differ a little.
struct Measured {
  uint32_t ranks = 1, hosts = 1;
  uint64_t cache_bytes = 0;           // of the host's last level; 0: not known
  double link_bytes_a_second = 0;     // one way, from rank 0 to another host; 0: there is one host
  std::vector<MeasuredSize> sizes{};  // growing
};

/// All ranks call it with the same sizes, in bytes of the vector, growing; each takes about so
/// long.
Result<Measured> measure_all_reduce(Communicator& ranks, const std::vector<uint64_t>& sizes,
                                    std::chrono::milliseconds each);

/// 1 KiB and each fourfold of it, up to `most` and with it.
std::vector<uint64_t> sizes_up_to(uint64_t most);

/// Bytes of the vector a second, and what that makes on a ring's busiest link (x 2(n-1)/n), by
/// which different numbers of ranks can be compared.
double algorithm_rate(const MeasuredSize& size);
double bus_rate(const Measured& measured, const MeasuredSize& size);
/// As a part of what memory or the link allow, 1 is all of it; nothing where the vector is too
/// small to say: the call is mostly its start, or all vectors lie in the cache.
std::optional<double> part_of_limit(const Measured& measured, const MeasuredSize& size);
/// What stands in the way of believing the last size; empty where nothing does.
std::vector<std::string> doubts(const Measured& measured);

}  // namespace troupe::comm
