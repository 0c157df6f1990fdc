// What searches find: on tables of trained networks and on functions, over many seeds, beside
// Optuna (hpo_optuna.py) in the same run; and random search beside its closed form.
#include "hpo/search.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace troupe::bench {

namespace {

using Runs = std::vector<std::vector<double>>;  // of each seed, the best after each trial

SamplerMaker maker(const std::string& strategy) {
  return [strategy](const hpo::Space& space, const hpo::SearchSettings& settings) {
    return std::move(hpo::make_search(strategy, space, settings).value());
  };
}

/// Random over a finite space draws without replacement.
SamplerMaker random_maker(const std::vector<Parameter>& parameters) {
  return [parameters](const hpo::Space&, const hpo::SearchSettings& settings) {
    SweepSpec sweep;
    sweep.strategy = "random";
    sweep.seed = settings.seed;
    return std::move(hpo::make_sampler(parameters, sweep).value());
  };
}

Runs runs_of(const Problem& problem, const SamplerMaker& make, uint64_t trials, uint64_t seeds) {
  Runs runs(seeds);
  std::atomic<uint64_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back([&] {
      for (uint64_t seed; (seed = next++) < seeds;)
        runs[seed] = best_so_far(problem, make, trials, seed + 1);
    });
  for (auto& thread : threads) thread.join();
  return runs;
}

struct Mean {
  double mean = 0, error = 0;
};

Mean mean_at(const Runs& runs, size_t trials, double sign) {
  Mean out;
  for (const auto& run : runs) out.mean += sign * run[trials - 1];
  const auto n = static_cast<double>(runs.size());
  out.mean /= n;
  double squares = 0;
  for (const auto& run : runs) squares += std::pow(sign * run[trials - 1] - out.mean, 2);
  out.error = std::sqrt(squares / std::max(1.0, n - 1) / n);
  return out;
}

double median_at(const Runs& runs, size_t trials, double bottom) {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(run[trials - 1] - bottom);
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Mean best of n draws without replacement: the sum over ranks of the chance that it is the best.
double expected_best(const Problem& problem, uint64_t n) {
  auto space = hpo::Space::make(problem.parameters).value();
  const auto size = *space.size();
  std::vector<double> values;
  for (uint64_t k = 0; k < size; ++k) values.push_back(problem.value(space.at(k)));
  std::sort(values.begin(), values.end());
  double mean = 0, left = 1;  // left: the chance that none of the better ones was drawn
  for (uint64_t i = 0; i + n <= size; ++i) {
    const double here = left * static_cast<double>(n) / static_cast<double>(size - i);
    mean += here * values[i];
    left -= here;
  }
  return mean;
}

}  // namespace

void bench_hpo_tables(bool quick) {
  auto problems = table_problems();
  if (problems.empty()) {
    row("searches over tables", "no tables here (TROUPE_HPO_DATA), or no xz", "-");
    return;
  }
  const uint64_t seeds = quick ? 2 : 20;
  const std::vector<size_t> counts =
      quick ? std::vector<size_t>{20} : std::vector<size_t>{50, 100, 200};
  for (const auto& problem : problems) {
    auto theirs =
        quick ? std::vector<std::vector<double>>{}
              : optuna_says(fmt::format("table {} {} {}", hpo_folder(), problem.name, seeds));
    for (const std::string strategy : {"tpe", "auto"}) {
      auto runs = runs_of(problem, maker(strategy), counts.back(), seeds);
      for (size_t i = 0; i < counts.size(); ++i) {
        const auto ours = mean_at(runs, counts[i], problem.sign);
        auto text = fmt::format("{:.6g} +- {:.2g}", ours.mean, ours.error);
        if (theirs.size() == counts.size() && theirs[i].size() == 3) {
          const double error = std::hypot(ours.error, theirs[i][2]);
          text += fmt::format("; Optuna TPE {:.6g} +- {:.2g}; better by {:.1f} errors",
                              theirs[i][1], theirs[i][2],
                              error > 0 ? problem.sign * (theirs[i][1] - ours.mean) / error : 0.0);
        }
        row(fmt::format("{}: {}, mean best of {} trials, {} seeds", problem.name, strategy,
                        counts[i], seeds),
            text, strategy == "tpe" ? "no worse than 2 errors" : "better on two tables");
      }
    }
    auto random =
        runs_of(problem, random_maker(problem.parameters), quick ? 50 : 500, quick ? 20 : 400);
    double worst = 0;
    for (uint64_t n : {10, 50, 100, 200, 500}) {
      if (n > random[0].size()) continue;
      const auto ours = mean_at(random, n, 1);
      worst = std::max(worst, std::abs(ours.mean - expected_best(problem, n)) / ours.error);
    }
    row(fmt::format("{}: random against its closed form, n = 10..500", problem.name),
        fmt::format("off by {:.1f} errors at most", worst), "<= 3");
  }
}

void bench_hpo_functions(bool quick) {
  const uint64_t seeds = quick ? 2 : 20;
  const uint64_t trials = quick ? 30 : 200;
  for (const auto& problem : function_problems()) {
    std::string theirs;
    for (const char* name : {"sobol", "tpe", "tpe-independent", "cma-es", "nsga2"}) {
      if (quick) continue;
      auto said = optuna_says(fmt::format("function {} {} {}", problem.name, name, seeds));
      if (said.size() == 2)
        theirs += fmt::format("{}{} {:.3g} / {:.3g}", theirs.empty() ? "; Optuna " : ", ", name,
                              said[0][1], said[1][1]);
    }
    for (const std::string strategy : {"auto", "cma-es", "tpe"}) {
      auto runs = runs_of(problem, maker(strategy), trials, seeds);
      row(fmt::format("{}: {}, median regret after {} / {}", problem.name, strategy, trials / 2,
                      trials),
          fmt::format("{:.3g} / {:.3g}{}", median_at(runs, trials / 2, problem.bottom),
                      median_at(runs, trials, problem.bottom), strategy == "auto" ? theirs : ""),
          problem.name == "Hartmann6" && strategy == "auto" ? "<= 0.02 after 100" : "-");
    }
  }
}

}  // namespace troupe::bench
