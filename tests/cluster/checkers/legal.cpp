// The public history is one that the model of states allows: events are numbered upwards, each
// begins where the one before ended, a terminal state is the last, and records agree with it.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace troupe::cluster {

namespace {

// docs/reference/states.md, written down a second time on purpose: the product has its own table.
const std::map<std::string, std::set<std::string>> allowed{
    {"", {"QUEUED", "RUNNING"}},  // a set begins as it is
    {"QUEUED", {"PREPARING", "SKIPPED", "KILLING", "KILLED", "FAILED", "RUNNING"}},
    {"PREPARING", {"STARTING", "PREEMPTED", "RESTARTING", "KILLING", "KILLED", "FAILED"}},
    {"STARTING", {"RUNNING", "PREEMPTED", "RESTARTING", "KILLING", "KILLED", "FAILED"}},
    {"RUNNING", {"FINISHED", "PREEMPTED", "RESTARTING", "KILLING", "KILLED", "FAILED"}},
    {"KILLING", {"KILLED"}},
    {"PREEMPTED", {"QUEUED", "KILLING", "KILLED", "FAILED"}},
    {"RESTARTING", {"QUEUED", "KILLING", "KILLED", "FAILED"}},
    {"FINISHED", {}},
    {"FAILED", {}},
    {"KILLED", {}},
    {"SKIPPED", {}},
};

}  // namespace

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  std::map<std::string, std::string> state;
  int64_t number = 0;
  for (const auto& entry : history) {
    if (!entry.is("state")) continue;
    auto id = entry.text("id"), from = entry.text("from"), to = entry.text("to");
    if (entry.number("number") <= number)
      found.push_back(fmt::format("event {} comes after event {}", entry.number("number"), number));
    number = entry.number("number");
    auto& now = state[id];
    if (from != now)
      found.push_back(
          fmt::format("{}: event {} begins at \"{}\", and it was \"{}\"", id, number, from, now));
    auto it = allowed.find(from);
    if (it == allowed.end() || !it->second.contains(to))
      found.push_back(fmt::format("{}: event {} goes from \"{}\" to \"{}\"", id, number, from, to));
    now = to;
  }
  for (const auto& entry : history)
    if (entry.is("final") && number > 0 && state[entry.text("id")] != entry.text("state"))
      found.push_back(fmt::format("{} is {}, and its last event said \"{}\"", entry.text("id"),
                                  entry.text("state"), state[entry.text("id")]));
  return found;
}

}  // namespace troupe::cluster
