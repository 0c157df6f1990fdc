// Which worker of a gang goes where: those that were on a node before are on it again, so that what
// a rank left there (caches, a part of a checkpoint, warm files) is where that rank is. Pure.
#pragma once

#include "runtime/schedule/request.hpp"

#include <string>
#include <vector>

namespace troupe::schedule {

/// Gives each worker a place on the node it had, where there is one; the others fill the holes in
/// order. `before`: nodes by worker, may be longer or shorter. Only the indices of `places` change.
void keep_ranks(const std::vector<std::string>& before, std::vector<JobPlace>& places);

/// The same among the workers of each group of the request, by the nodes it had before.
void keep_ranks(const Request& request, std::vector<JobPlace>& places);

}  // namespace troupe::schedule
