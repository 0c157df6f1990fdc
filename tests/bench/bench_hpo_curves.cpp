// Early stopping on learning curves of real trainings (AlgoPerf, in the data folder), as a sweep
// that is simulated: so many workers draw trials of one workload at random, again and again, and
// report as the logs say, when they say. What is measured is the time until somebody has reported a
// value within one percent of the best of all curves, beside the same draws with nothing stopped.
#include "hpo/stopper.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <queue>
#include <random>

namespace troupe::bench {

namespace {

struct Report {
  double step = 0, seconds = 0, value = 0;  // to be minimised
};

/// The trials of one workload; each has at least one report.
struct Pool {
  std::string name;
  std::vector<std::vector<Report>> curves;
  double last_step = 0, best = INFINITY;
};

/// Lines of a file in the data folder, but for the first.
std::vector<std::string> lines_of(const std::string& name) {
  std::vector<std::string> lines;
  auto command = fmt::format("xz -dc {}/{} 2>/dev/null", hpo_folder(), name);
  auto* text = ::popen(command.c_str(), "r");
  if (text == nullptr) return lines;
  char line[4096];
  while (std::fgets(line, sizeof line, text) != nullptr) lines.emplace_back(line);
  ::pclose(text);
  if (!lines.empty()) lines.erase(lines.begin());
  return lines;
}

/// Workloads with fewer trials say little.
std::vector<Pool> pools() {
  constexpr size_t trials_least = 100;
  struct Trial {
    std::string workload;
    double sign = 1;
    std::vector<Report> curve;
  };
  std::map<int, Trial> trials;
  for (const auto& line : lines_of("algoperf_v05_trials.csv.xz")) {
    char workload[64], mode[16];
    int number = 0;
    if (std::sscanf(line.c_str(), "%d,%*[^,],%*[^,],%63[^,],%*[^,],%*[^,],%*[^,],%*[^,],%15[^,]",
                    &number, workload, mode) == 3)
      trials[number] = {workload, mode == std::string{"max"} ? -1.0 : 1.0, {}};
  }
  for (const auto& line : lines_of("algoperf_v05_curves.csv.xz")) {
    int number = 0;
    Report report;
    if (std::sscanf(line.c_str(), "%d,%lf,%lf,%lf", &number, &report.step, &report.seconds,
                    &report.value) != 4)
      continue;
    auto& trial = trials[number];
    report.value *= trial.sign;
    trial.curve.push_back(report);
  }
  std::map<std::string, Pool> by_workload;
  for (auto& [number, trial] : trials) {
    if (trial.curve.empty()) continue;
    auto& pool = by_workload[trial.workload];
    pool.name = trial.workload;
    for (const auto& report : trial.curve) {
      pool.last_step = std::max(pool.last_step, report.step);
      pool.best = std::min(pool.best, report.value);
    }
    pool.curves.push_back(std::move(trial.curve));
  }
  std::vector<Pool> large;
  for (auto& [name, pool] : by_workload)
    if (pool.curves.size() >= trials_least) large.push_back(std::move(pool));
  return large;
}

/// Seconds of the simulated sweep until somebody is within one percent; none where nobody is after
/// many draws: the curves of the best begin so badly that they are always stopped.
/// `first_rung`: the part of the longest training at which ASHA compares first; 0: nothing is
/// stopped.
std::optional<double> time_to_best(const Pool& pool, size_t workers, uint64_t seed,
                                   double first_rung) {
  const size_t draws_most = 50 * pool.curves.size();
  std::mt19937_64 random{seed};
  std::unique_ptr<hpo::Stopper> stopper;
  if (first_rung > 0) {
    hpo::EarlyStop rule;
    rule.algorithm = "asha";
    rule.min = pool.last_step * first_rung;
    rule.max = pool.last_step;
    stopper = hpo::make_stopper(rule, false, seed).value();
  }
  struct Next {
    double time = 0, began = 0;
    uint64_t trial = 0;
    size_t curve = 0, report = 0;
    bool operator>(const Next& other) const { return time > other.time; }
  };
  std::priority_queue<Next, std::vector<Next>, std::greater<>> pending;
  uint64_t drawn = 0;
  auto take = [&](double now) {
    if (drawn == draws_most) return;
    auto curve = static_cast<size_t>(random() % pool.curves.size());
    pending.push({now + pool.curves[curve][0].seconds, now, ++drawn, curve, 0});
  };
  for (size_t i = 0; i < workers; ++i) take(0);
  const double good = pool.best + 0.01 * std::abs(pool.best);
  while (!pending.empty()) {
    auto now = pending.top();
    pending.pop();
    const auto& curve = pool.curves[now.curve];
    const auto& report = curve[now.report];
    if (report.value <= good) return now.time;
    bool stop = stopper && stopper->report(now.trial, report.step, report.value).stop;
    if (stop || now.report + 1 == curve.size()) {
      if (stopper) stopper->end(now.trial, hpo::Outcome::completed);
      take(now.time);
    } else {
      pending.push({now.began + curve[now.report + 1].seconds, now.began, now.trial, now.curve,
                    now.report + 1});
    }
  }
  return std::nullopt;
}

}  // namespace

void bench_hpo_curves(bool quick) {
  auto all = pools();
  if (all.empty())
    return row("searches over curves", "no curves here (TROUPE_HPO_DATA), or no xz", "-");
  const uint64_t seeds = quick ? 1 : 20;
  auto [least, most] = std::minmax_element(
      all.begin(), all.end(),
      [](const Pool& a, const Pool& b) { return a.curves.size() < b.curves.size(); });
  auto size = fmt::format("{} pools of {} to {} trials, {} seeds", all.size(), least->curves.size(),
                          most->curves.size(), seeds);
  for (double first_rung : {1.0 / 27, 1.0 / 9, 1.0 / 3})
    for (size_t workers : {1u, 8u, 64u}) {
      std::vector<double> ratios;
      size_t missed = 0;
      for (const auto& pool : all)
        for (uint64_t seed = 1; seed <= seeds; ++seed) {
          auto plain = time_to_best(pool, workers, seed, 0);
          auto stopped = time_to_best(pool, workers, seed, first_rung);
          if (!plain) continue;
          if (!stopped)
            ++missed;
          else
            ratios.push_back(*stopped / *plain);
        }
      std::sort(ratios.begin(), ratios.end());
      double logs = 0;
      for (auto ratio : ratios) logs += std::log(ratio);
      auto count = static_cast<double>(ratios.size());
      row(fmt::format("ASHA from 1/{:.0f} on / no stopping, time to 1 % of the best, {} workers",
                      1 / first_rung, workers),
          fmt::format("{:.2f}x median, {:.2f}x geometric mean; never there in {:.0f} % ({})",
                      ratios[ratios.size() / 2], std::exp(logs / count),
                      100.0 * static_cast<double>(missed) / (static_cast<double>(missed) + count),
                      size),
          "reported");
    }
}

}  // namespace troupe::bench
