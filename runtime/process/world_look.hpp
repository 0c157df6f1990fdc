// Whether the ranks of a job have found each other, as far as can be seen from outside: which
// libraries they have loaded, and whether anybody listens where they should meet. Stateless; any
// thread.
#pragma once

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace troupe::process {

struct WorldLook {
  bool mpi = false;    // loaded by a process that no launcher of MPI has started
  bool torch = false;  // loaded
  bool listens = false;
};

/// Of these processes with all their descendants; `port` is of this machine.
WorldLook look_at_world(const std::vector<int32_t>& pids, uint16_t port);

}  // namespace troupe::process
