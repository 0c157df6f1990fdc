// How far the ranks of one job have come with their collective calls, as they tell it in a file.
#pragma once

#include "runtime/wire/messages.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace troupe::actors {

class PaceLook {
 public:
  PaceLook(std::string path, uint32_t first_rank, uint32_t ranks)
      : path_{std::move(path)}, first_rank_{first_rank}, told_(ranks, 0) {}

  /// Of those that made a call since the last time; at most once a second, by that clock.
  std::vector<RankPace> due(std::chrono::nanoseconds now);

 private:
  std::string path_;
  uint32_t first_rank_;
  std::vector<uint64_t> told_;  // calls, by local rank
  std::chrono::nanoseconds last_{0};
};

}  // namespace troupe::actors
