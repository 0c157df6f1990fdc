// Who is who in a communicator: each rank writes down how it is reached, and gets what all have
// written. One thread.
#pragma once

#include "gpu/comm/communicator.hpp"

#include <vector>

namespace troupe::comm {

struct Member {
  std::string host;      // the same text: they share memory
  Endpoint address;      // where it takes TCP connections
  std::string doorbell;  // the name of its local socket
  bool operator==(const Member&) const = default;
};

/// All members by rank; errors name the ranks that did not come or disagree.
Result<std::vector<Member>> gather_roster(const Options& options, const Member& own, Moment until);
/// Lets ranks that still wait for the roster know that there will be none.
void cancel_roster(const Options& options, const Error& cause);
/// "rank 3", "ranks 1, 2", and no more of them than can be read.
std::string name_ranks(const std::vector<uint32_t>& ranks);
/// Names this machine, network namespace and user: whoever has the same can share memory.
std::string this_host();

}  // namespace troupe::comm
