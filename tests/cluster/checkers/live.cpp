// Nothing hangs: when the last fault is over, everything that was acknowledged comes to its end
// within a bounded time.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace troupe::cluster {

namespace {

// docs: healthy again within half a minute. The jobs of these histories take some seconds, and the
// sanitizers' builds and busy machines need their share.
constexpr int64_t ends_within = 60'000'000'000;

}  // namespace

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  int64_t healed = 0;
  std::map<std::string, int64_t> settled;
  for (const auto& entry : history) {
    if (entry.is("healed")) healed = std::max(healed, entry.number("at"));
    if (entry.is("settled")) settled[entry.text("id")] = entry.number("at");
  }
  if (healed == 0) found.push_back("the history does not say when the faults were over");
  for (const auto& entry : history) {
    if (!entry.is("ack")) continue;
    auto it = settled.find(entry.text("id"));
    if (it == settled.end())
      found.push_back(fmt::format("{} never came to an end", entry.text("id")));
    else if (it->second - healed > ends_within)
      found.push_back(fmt::format("{} came to its end {} s after the last fault", entry.text("id"),
                                  (it->second - healed) / 1'000'000'000));
  }
  return found;
}

}  // namespace troupe::cluster
