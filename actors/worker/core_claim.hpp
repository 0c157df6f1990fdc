// Says that this process alone gives away the cores of this machine. Two workers on one machine do
// not see what the other has given away, so only one of them binds where nobody told it to.
#pragma once

#include "runtime/core/fd.hpp"

#include <optional>
#include <string>

namespace troupe::actors {

/// Held as long as it lives. None where another process has it.
std::optional<UniqueFd> claim_cores(const std::string& path = "/dev/shm/troupe-cores");

}  // namespace troupe::actors
