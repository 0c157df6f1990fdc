// No node is ever given away beyond what it has, by the head's own account and by what ran there at
// once; and when all is over, nothing is in use and nothing is left.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace troupe::cluster {

namespace {

struct Use {
  std::string node;
  int64_t cpus = 0, begin = 0, last = 0;
};

}  // namespace

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  std::map<std::string, int64_t> cpus;
  std::map<std::tuple<std::string, int64_t, std::string>, Use> uses;  // job, attempt, node
  for (const auto& entry : history) {
    auto node = entry.text("node");
    if (entry.is("node")) {
      cpus[node] = entry.number("cpus");
      if (entry.number("used") > entry.number("cpus"))
        found.push_back(fmt::format("{}: {} of {} milli-CPUs were given away", node,
                                    entry.number("used"), entry.number("cpus")));
    }
    if (entry.is("quiet") && (entry.number("used") != 0 || entry.number("processes") != 0))
      found.push_back(fmt::format("{}: {} milli-CPUs in use and {} processes left", node,
                                  entry.number("used"), entry.number("processes")));
    if (!entry.is("begin") && !entry.is("alive") && !entry.is("end")) continue;
    auto [it, fresh] = uses.try_emplace({entry.text("job"), entry.number("attempt"), node});
    auto at = entry.number("at");
    auto& use = it->second;
    use.node = node;
    use.cpus = entry.number("cpus");
    use.begin = fresh ? at : std::min(use.begin, at);
    use.last = std::max(use.last, at);
  }
  // At each beginning: what ran there at that moment.
  for (const auto& [key, use] : uses) {
    int64_t sum = 0;
    for (const auto& [other_key, other] : uses)
      if (other.node == use.node && other.begin <= use.begin && use.begin < other.last)
        sum += other.cpus;
    auto has = cpus.find(use.node);
    if (has != cpus.end() && sum > has->second)
      found.push_back(fmt::format("{}: {} of {} milli-CPUs ran at once when {} began", use.node,
                                  sum, has->second, std::get<0>(key)));
  }
  return found;
}

}  // namespace troupe::cluster
