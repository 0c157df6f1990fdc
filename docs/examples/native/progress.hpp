// How far a training is, and its checkpoints: one file, whole under its name or not there.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// All that is needed to go on, with any number of ranks, besides the weights and their velocity.
struct Progress {
  std::string cursor;  // of the records; empty at the very beginning
  uint64_t steps = 0;
  double loss = 0;  // summed over the images of this epoch so far
};

troupe::Result<void> save(const std::string& path, const Progress& progress,
                          const std::vector<float>& weights, const std::vector<float>& velocity);
/// Into arrays of the size that they must have.
troupe::Result<Progress> load(const std::string& path, std::vector<float>& weights,
                              std::vector<float>& velocity);
