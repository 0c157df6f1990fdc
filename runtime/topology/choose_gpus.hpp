// Which of a node's idle GPUs go together to one job. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe::topology {

/// `near` says of each pair, row by row of `gpus` devices, how near they are: higher is nearer;
/// empty: nobody knows. `count` of `idle` (sorted), sorted: those that are nearest to each other;
/// among equals those that leave the rest nearest to each other, which keeps groups whole for who
/// needs them; then those with the lowest numbers. All of `idle` where there are not as many.
std::vector<uint32_t> choose_gpus(const std::vector<uint32_t>& near, uint32_t gpus,
                                  const std::vector<uint32_t>& idle, uint32_t count);

}  // namespace troupe::topology
