// What a suggestion costs, beside Optuna's (hpo_optuna.py) in the same run.
#include "hpo/search.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace troupe::bench {

namespace {

using Clock = std::chrono::steady_clock;

double bowl(const hpo::Point& point) {
  double sum = 0;
  for (const auto& [name, value] : point) sum += std::pow(value.as_number() - 0.3, 2);
  return sum;
}

std::vector<Parameter> ten_numbers() {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 10; ++i)
    parameters.push_back({fmt::format("x{}", i), {}, ParameterRange{0.0, 1.0, {}, {}, false}});
  return parameters;
}

std::unique_ptr<hpo::Sampler> sampler_of(const std::string& strategy,
                                         const std::vector<Parameter>& parameters) {
  SweepSpec sweep;
  sweep.strategy = strategy;
  sweep.seed = 1;
  sweep.metric = Metric{false, "loss"};
  return std::move(hpo::make_sampler(parameters, sweep).value());
}

struct Cost {
  double median, most;  // seconds
};

/// An ask and tell each of the last `timed` trials after `done` others.
Cost cost(const std::string& strategy, uint64_t done, uint64_t timed) {
  auto sampler = sampler_of(strategy, ten_numbers());
  auto elsewhere = sampler_of("sobol", ten_numbers());
  std::vector<double> seconds;
  for (uint64_t trial = 1; trial <= done + timed; ++trial) {
    auto start = Clock::now();
    hpo::Observation made;
    made.trial = trial;
    // Those before come from elsewhere where asking each is dear.
    made.point = strategy == "gp" && trial <= done ? elsewhere->suggest(trial).value()
                                                   : sampler->suggest(trial).value();
    sampler->observe(made);
    made.values = {bowl(made.point)};
    made.outcome = hpo::Outcome::completed;
    sampler->observe(made);
    if (trial > done)
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.back()};
}

void cost_row(const std::string& strategy, uint64_t done, const std::string& peer, bool quick,
              const std::string& bar) {
  const auto ours = cost(strategy, done, quick ? 5 : 40);
  auto text = fmt::format("{:.4f} ms, most {:.3f} ms", ours.median * 1e3, ours.most * 1e3);
  auto theirs = peer.empty() || quick ? std::vector<std::vector<double>>{}
                                      : optuna_says(fmt::format("cost {} {}", peer, done));
  if (theirs.size() == 1)
    text +=
        fmt::format("; Optuna {:.2f} ms, {:.0f}x", theirs[0][1] * 1e3, theirs[0][1] / ours.median);
  row(fmt::format("ask and tell, 10 floats, {} trials done: {}", done, strategy), text, bar);
}

}  // namespace

void bench_hpo_cost(bool quick) {
  const uint64_t n = quick ? 60 : 1000;
  cost_row("tpe", n, "tpe", quick, "<= 2 ms");
  cost_row("tpe-independent", n, "tpe-independent", quick, "<= 2 ms");
  cost_row("cma-es", n, "cma-es", quick, "<= 50 us");
  cost_row("random", n, "random", quick, "<= 5 us");
  cost_row("sobol", n, "sobol", quick, "<= 5 us");
  cost_row("nsga2", n, "nsga2", quick, "-");
  cost_row("gp", quick ? 30 : 500, "", quick, "<= 200 ms");
}

}  // namespace troupe::bench
