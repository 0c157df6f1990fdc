// One attempt at a time: no attempt of a job runs twice, and a newer one begins only when the older
// has ended. Only where the head had given up the older one's node may both run, until that node is
// back and told; an experiment marked exclusive not even then. The attempt that counts is the
// newest, and of a finished experiment every rank of it came to its end once.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace troupe::cluster {

namespace {

// From a node's return to the end of what was replaced meanwhile: a moment of messages and signals,
// on a machine that may be busy.
constexpr int64_t told_within = 10'000'000'000;
constexpr auto for_ever = std::numeric_limits<int64_t>::max();

struct Run {
  std::string node;
  int64_t begin = 0, last = 0;
  int begins = 0, ends = 0;
  int64_t code = 0;
};
using Runs = std::map<int64_t, std::map<int64_t, Run>>;  // attempt -> rank

struct Absence {
  int64_t from, to;
};

std::string experiment_of(const std::string& job) {
  return job.substr(0, job.find(".worker"));
}

}  // namespace

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  std::map<std::string, Runs> jobs;
  std::map<std::string, std::vector<Absence>> absences;
  std::set<std::string> exclusive;
  for (const auto& entry : history) {
    if (entry.is("final") && entry.flag("exclusive")) exclusive.insert(entry.text("id"));
    if (entry.is("lost")) absences[entry.text("node")].push_back({entry.number("at"), for_ever});
    if (entry.is("back"))
      if (auto& list = absences[entry.text("node")]; !list.empty())
        list.back().to = entry.number("at");
    if (!entry.is("begin") && !entry.is("alive") && !entry.is("end")) continue;
    auto& run = jobs[entry.text("job")][entry.number("attempt")][entry.number("rank")];
    auto at = entry.number("at");
    if (entry.is("begin") && ++run.begins > 1)
      found.push_back(fmt::format("{}: attempt {} began {} times, on {} and {}", entry.text("job"),
                                  entry.number("attempt"), run.begins, run.node,
                                  entry.text("node")));
    if (entry.is("begin")) run.begin = at, run.node = entry.text("node");
    if (entry.is("end")) ++run.ends, run.code = entry.number("code");
    run.last = std::max(run.last, at);
  }
  auto excused = [&](const Run& older, const Run& newer) {
    const auto& list = absences[older.node];
    return std::any_of(list.begin(), list.end(), [&](const Absence& away) {
      return away.from <= newer.begin &&
             (away.to == for_ever || older.last < away.to + told_within);
    });
  };
  for (const auto& [job, attempts] : jobs)
    for (auto older = attempts.begin(); older != attempts.end(); ++older)
      for (auto newer = std::next(older); newer != attempts.end(); ++newer)
        for (const auto& [rank, before] : older->second)
          for (const auto& [other_rank, after] : newer->second)
            if (before.last > after.begin &&
                (exclusive.contains(experiment_of(job)) || !excused(before, after)))
              found.push_back(fmt::format(
                  "{}: attempt {} still ran on {} {} ms after attempt {} had begun on {}", job,
                  older->first, before.node, (before.last - after.begin) / 1'000'000, newer->first,
                  after.node));
  for (const auto& entry : history) {
    if (!entry.is("final")) continue;
    for (const auto& [job, attempts] : jobs) {
      if (experiment_of(job) != entry.text("id")) continue;
      auto counted = entry.number("attempt");
      if (attempts.rbegin()->first > counted)
        found.push_back(fmt::format("{}: attempt {} ran, but the record ends with {}", job,
                                    attempts.rbegin()->first, counted));
      auto last = attempts.find(counted);
      if (entry.text("state") != "FINISHED") continue;
      if (last == attempts.end()) {
        found.push_back(fmt::format("{}: finished by attempt {}, which never ran", job, counted));
        continue;
      }
      for (const auto& [rank, run] : last->second)
        if (run.ends != 1 || run.code != 0)
          found.push_back(
              fmt::format("{}: finished, but rank {} of attempt {} came to {} ends, the "
                          "last with code {}",
                          job, rank, counted, run.ends, run.code));
    }
  }
  return found;
}

}  // namespace troupe::cluster
