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

void keep_ranks(const Request& request, std::vector<JobPlace>& places) {
  if (request.groups.empty() || places.empty()) return keep_ranks(request.nodes_before, places);
  size_t first = 0;
  for (const auto& group : request.groups) {
    auto part = [&](const auto& all) {
      auto begin = all.begin() + static_cast<std::ptrdiff_t>(std::min(first, all.size()));
      return std::vector(begin, begin + std::min<std::ptrdiff_t>(group.count, all.end() - begin));
    };
    auto own = part(places);
    keep_ranks(part(request.nodes_before), own);
    for (auto& place : own) {
      place.index += static_cast<uint32_t>(first);
      places[place.index] = std::move(place);
    }
    first += group.count;
  }
}

}  // namespace troupe::schedule
