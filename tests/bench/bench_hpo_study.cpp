// What a large search costs beside its suggestions: a verdict of early stopping with many live
// trials, and a study of many trials told again after a restart.
#include "hpo/searcher.hpp"
#include "tests/bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <malloc.h>
#include <random>

namespace troupe::bench {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

size_t heap_bytes() {
  auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::vector<Parameter> four_numbers() {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 4; ++i)
    parameters.push_back({fmt::format("x{}", i), {}, ParameterRange{0.0, 1.0, {}, {}, false}});
  return parameters;
}

SweepSpec sweep_of(const std::string& strategy, uint64_t trials) {
  SweepSpec sweep;
  sweep.strategy = strategy;
  sweep.seed = 1;
  sweep.trials = trials;
  sweep.metric = Metric{false, "loss"};
  return sweep;
}

void verdicts(bool quick) {
  const uint64_t live = quick ? 500 : 10'000;
  for (const auto* algorithm : {"asha", "hyperband", "median"}) {
    auto sweep = sweep_of("random", live);
    sweep.early_stop = ValueMap{{"algorithm", algorithm}, {"max", 81}};
    auto searcher = hpo::Searcher::make(four_numbers(), sweep, "").value();
    std::mt19937_64 random{3};
    std::vector<double> seconds;
    std::vector<bool> is_stopped(live + 1);
    for (double step = 1; step <= 81; step *= 3)
      for (uint64_t trial = 1; trial <= live; ++trial) {
        // A stopped one stays: what is timed is a rung with as many values as there are trials.
        auto value = static_cast<double>(random() % 1'000'000);
        auto start = Clock::now();
        auto entries = searcher.report(trial, step, value);
        seconds.push_back(seconds_since(start));
        if (algorithm == std::string{"median"} && step == 9 && trial % 100 == 0)
          searcher.end(trial, SearchEntry::Outcome::completed, {value});
      }
    std::sort(seconds.begin(), seconds.end());
    row(fmt::format("verdict of {}, {} live trials", algorithm, live),
        fmt::format("median {:.2f} us, p99 {:.2f} us, most {:.0f} us",
                    seconds[seconds.size() / 2] * 1e6, seconds[seconds.size() * 99 / 100] * 1e6,
                    seconds.back() * 1e6),
        "p99 <= 1 ms");
  }
}

void resume(bool quick) {
  const uint64_t trials = quick ? 1000 : 100'000;
  for (const auto* strategy : {"tpe", "cma-es", "nsga2"}) {
    auto sweep = sweep_of(strategy, trials + 1);
    auto draws = hpo::Searcher::make(four_numbers(), sweep_of("random", trials + 1), "").value();
    std::vector<std::pair<SearchEntry, hpo::Point>> entries;
    for (uint64_t trial = 1; trial <= trials; ++trial) {
      auto point = draws.point(trial).value();
      SearchEntry entry;
      entry.trial = trial;
      entries.emplace_back(entry, point);
      entry.kind = SearchEntry::Kind::ended;
      entry.values = {point.at("x0").as_number()};
      entries.emplace_back(std::move(entry), std::move(point));
    }
    const auto before = heap_bytes();
    auto start = Clock::now();
    auto searcher = hpo::Searcher::make(four_numbers(), sweep, "").value();
    for (const auto& [entry, point] : entries) searcher.retell(entry, point);
    const auto told = seconds_since(start);
    start = Clock::now();
    auto next = searcher.next(trials + 1);
    const auto asked = seconds_since(start);
    const auto bytes = static_cast<double>(heap_bytes() - before) / static_cast<double>(trials);
    row(fmt::format("{} of {} trials told again", strategy, trials),
        fmt::format("{:.2f} s, the next point {:.1f} ms, {:.0f} bytes a trial", told, asked * 1e3,
                    bytes),
        "<= 1 s; <= 1 kB");
  }
}

}  // namespace

void bench_hpo_study(bool quick) {
  verdicts(quick);
  resume(quick);
}

}  // namespace troupe::bench
