// What tests of samplers that learn share: running a search with some trials at a time, and the
// promises that every one of them keeps.
#pragma once

#include "hpo/adaptive.hpp"
#include "tests/hpo/hpo_parts.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe::hpo {

using SamplerMaker = std::function<std::unique_ptr<Sampler>(Space, SearchSettings)>;
using Objective = std::function<double(const Point&)>;

/// What a search did: its ledger in order.
using Script = std::vector<Observation>;

/// Runs a search to its end with so many trials at a time, which end in a seeded order.
inline Script run_search(Sampler& sampler, const Objective& objective, uint64_t trials,
                         uint64_t parallel, uint64_t seed) {
  Script script;
  std::vector<Observation> running;
  std::mt19937_64 random{seed};
  uint64_t next = 1;
  auto tell = [&](Observation observation) {
    sampler.observe(observation);
    script.push_back(std::move(observation));
  };
  bool is_exhausted = false;
  while (true) {
    while (!is_exhausted && next <= trials && running.size() < parallel) {
      auto point = sampler.suggest(next);
      if (!point) {
        EXPECT_EQ(point.error().code, Errc::exhausted) << to_string(point.error());
        is_exhausted = true;
        break;
      }
      Observation made;
      made.trial = next++;
      made.point = *point;
      running.push_back(made);
      tell(std::move(made));
    }
    if (running.empty()) return script;
    auto which = static_cast<std::ptrdiff_t>(random() % running.size());
    auto ended = std::move(running[static_cast<size_t>(which)]);
    running.erase(running.begin() + which);
    ended.values = {objective(ended.point)};
    ended.outcome = std::isfinite(ended.values[0]) ? Outcome::completed : Outcome::failed;
    tell(std::move(ended));
  }
}

inline double best_of(const Script& script) {
  double best = HUGE_VAL;
  for (const auto& observation : script)
    if (observation.outcome == Outcome::completed) best = std::min(best, observation.values[0]);
  return best;
}

inline double median_best(const SamplerMaker& make, const std::vector<Parameter>& parameters,
                          const Objective& objective, uint64_t trials, uint64_t seeds) {
  std::vector<double> bests;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SearchSettings settings;
    settings.seed = seed;
    settings.maximize = {false};
    auto sampler = make(Space::make(parameters).value(), settings);
    bests.push_back(best_of(run_search(*sampler, objective, trials, 1, seed)));
  }
  std::sort(bests.begin(), bests.end());
  return bests[bests.size() / 2];
}

inline double any_objective(const Point& point) {
  // Some value that depends on all of the point; now and then none at all.
  auto hash = name_hash(identity(point));
  return hash % 17 == 0 ? std::nan("") : std::ldexp(static_cast<double>(hash >> 11), -53);
}

/// A search told the same again gives every point again; asked twice, twice the same.
inline void expect_replay(const SamplerMaker& make, const Space& space,
                          const SearchSettings& settings, const Script& script) {
  auto again = make(space, settings);
  for (const auto& observation : script) {
    if (observation.outcome == Outcome::running) {
      auto point = again->suggest(observation.trial);
      ASSERT_TRUE(point);
      EXPECT_EQ(*point, observation.point) << observation.trial;
    }
    again->observe(observation);
    EXPECT_EQ(again->suggest(observation.trial).value(), observation.point);
  }
  // Told all without ever being asked, as after a restart.
  auto restarted = make(space, settings);
  size_t told = script.size() / 2;
  while (told < script.size() && script[told].outcome != Outcome::running) ++told;
  if (told == script.size()) return;
  for (size_t i = 0; i < told; ++i) restarted->observe(script[i]);
  EXPECT_EQ(restarted->suggest(script[told].trial).value(), script[told].point);
}

/// Over random spaces: replay; points inside the space; no point of a finite space twice; an end
/// once all were tried; also where values are all equal or missing.
inline void expect_promises(const SamplerMaker& make, int rounds = 12) {
  std::mt19937_64 random{29};
  for (int round = 0; round < rounds; ++round) {
    auto parameters = random_parameters(random, 1 + random() % 4);
    auto space = Space::make(parameters).value();
    SearchSettings settings;
    settings.seed = random();
    settings.maximize = {random() % 2 == 0};
    settings.parallel = round % 3 == 0 ? 1 : 8;
    Objective objective = any_objective;
    if (round % 4 == 3) objective = [](const Point&) { return 1.0; };
    auto sampler = make(space, settings);
    const uint64_t trials = 40;
    auto script = run_search(*sampler, objective, trials, settings.parallel, 5);
    Encoding encoding{space};
    std::set<std::string> seen;
    uint64_t made = 0;
    for (const auto& observation : script)
      if (observation.outcome == Outcome::running) {
        ++made;
        seen.insert(identity(observation.point));
        EXPECT_TRUE(encoding.encode(observation.point)) << identity(observation.point);
      }
    const auto points = encoding.points().value_or(UINT64_MAX);
    EXPECT_EQ(made, std::min(trials, points));
    EXPECT_EQ(seen.size(), made);
    expect_replay(make, space, settings, script);
  }
}

}  // namespace troupe::hpo
