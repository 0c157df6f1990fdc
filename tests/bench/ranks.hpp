// Processes with the environment of ranks, for benches that need no cluster around them.
#pragma once

#include <string>
#include <vector>

namespace troupe::bench {

/// A shell's command that starts so many ranks of a program, waits for all, and prints what they
/// print. `environment` is "NAME=VALUE ...".
std::string as_ranks(int ranks, const std::string& environment, const std::string& program,
                     const std::vector<std::string>& arguments);

}  // namespace troupe::bench
