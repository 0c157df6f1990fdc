// The log of a job as it is served: the lines "line 1", "line 2", ... as many as the job wrote,
// none lost, doubled or out of order.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

namespace troupe::cluster {

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  for (const auto& entry : history) {
    if (!entry.is("log")) continue;
    auto text = entry.text("text");
    auto job = entry.text("job");
    int64_t number = 0;
    bool good = true;
    for (size_t begin = 0; begin < text.size() && good;) {
      auto end = std::min(text.find('\n', begin), text.size());
      auto line = text.substr(begin, end - begin);
      auto wanted = fmt::format("line {}", number + 1);
      good = line == wanted;
      if (good)
        ++number;
      else
        found.push_back(fmt::format("{}: \"{}\" stands where \"{}\" should", job, line, wanted));
      begin = end + 1;
    }
    if (good && number != entry.number("lines"))
      found.push_back(
          fmt::format("{}: {} lines, and {} were written", job, number, entry.number("lines")));
  }
  return found;
}

}  // namespace troupe::cluster
