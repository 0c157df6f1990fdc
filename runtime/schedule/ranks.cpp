#include "runtime/schedule/ranks.hpp"

#include <algorithm>

namespace troupe::schedule {

void keep_ranks(const std::vector<std::string>& before, std::vector<JobPlace>& places) {
  std::vector<JobPlace> free = std::move(places);
  places.assign(free.size(), {});
  std::vector<bool> taken(free.size(), false);
  for (uint32_t rank = 0; rank < std::min(before.size(), places.size()); ++rank) {
    auto same = std::find_if(free.begin(), free.end(),
                             [&](const JobPlace& place) { return place.node == before[rank]; });
    if (same == free.end()) continue;
    places[rank] = std::move(*same);
    taken[rank] = true;
    free.erase(same);
  }
  auto next = free.begin();
  for (uint32_t rank = 0; rank < places.size(); ++rank) {
    if (!taken[rank]) places[rank] = std::move(*next++);
    places[rank].index = rank;
  }
}

}  // namespace troupe::schedule
