#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <sstream>
#include <unordered_map>

namespace troupe::bench {

namespace {

using Numbers = std::vector<double>;

double branin(const Numbers& x) {
  const double pi = std::numbers::pi, b = 5.1 / (4 * pi * pi), c = 5 / pi;
  const double inner = x[1] - b * x[0] * x[0] + c * x[0] - 6;
  return inner * inner + 10 * (1 - 1 / (8 * pi)) * std::cos(x[0]) + 10;
}

constexpr double hartmann_heights[] = {1.0, 1.2, 3.0, 3.2};

template <size_t N>
double hartmann(const Numbers& x, const double (&a)[4][N], const double (&p)[4][N]) {
  double sum = 0;
  for (size_t i = 0; i < 4; ++i) {
    double inner = 0;
    for (size_t j = 0; j < N; ++j) inner += a[i][j] * std::pow(x[j] - p[i][j] * 1e-4, 2);
    sum -= hartmann_heights[i] * std::exp(-inner);
  }
  return sum;
}

double hartmann3(const Numbers& x) {
  static constexpr double a[4][3] = {{3, 10, 30}, {0.1, 10, 35}, {3, 10, 30}, {0.1, 10, 35}};
  static constexpr double p[4][3] = {
      {3689, 1170, 2673}, {4699, 4387, 7470}, {1091, 8732, 5547}, {381, 5743, 8828}};
  return hartmann(x, a, p);
}

double hartmann6(const Numbers& x) {
  static constexpr double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                     {0.05, 10, 17, 0.1, 8, 14},
                                     {3, 3.5, 1.7, 10, 17, 8},
                                     {17, 8, 0.05, 10, 0.1, 14}};
  static constexpr double p[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                     {2329, 4135, 8307, 3736, 1004, 9991},
                                     {2348, 1451, 3522, 2883, 3047, 6650},
                                     {4047, 8828, 8732, 5743, 1091, 381}};
  return hartmann(x, a, p);
}

double rosenbrock(const Numbers& x) {
  double sum = 0;
  for (size_t i = 0; i + 1 < x.size(); ++i)
    sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  return sum;
}

double ackley(const Numbers& x) {
  double squares = 0, waves = 0;
  for (auto number : x) {
    squares += number * number;
    waves += std::cos(2 * std::numbers::pi * number);
  }
  const auto n = static_cast<double>(x.size());
  return -20 * std::exp(-0.2 * std::sqrt(squares / n)) - std::exp(waves / n) + 20 + std::numbers::e;
}

double rastrigin(const Numbers& x) {
  double sum = 10 * static_cast<double>(x.size());
  for (auto number : x) sum += number * number - 10 * std::cos(2 * std::numbers::pi * number);
  return sum;
}

Parameter range(std::string name, Value least, Value most) {
  return {std::move(name), {}, ParameterRange{least, most, {}, {}, false}};
}

Problem function(std::string name, double (*value)(const Numbers&),
                 const std::vector<std::pair<double, double>>& box, double bottom) {
  Problem problem{std::move(name), {}, {}, bottom};
  for (size_t i = 0; i < box.size(); ++i)
    problem.parameters.push_back(range(fmt::format("x{}", i), box[i].first, box[i].second));
  problem.value = [value, n = box.size()](const hpo::Point& point) {
    Numbers x;
    for (size_t i = 0; i < n; ++i) x.push_back(point.at(fmt::format("x{}", i)).as_number());
    return value(x);
  };
  return problem;
}

/// Mean over the seeds of each row, by key.
std::unordered_map<std::string, double> table_of(const std::string& file) {
  std::unordered_map<std::string, double> table;
  auto* lines = ::popen(fmt::format("xz -dc {}/{} 2>/dev/null", hpo_folder(), file).c_str(), "r");
  std::array<char, 512> line{};
  while (lines != nullptr && std::fgets(line.data(), line.size(), lines) != nullptr) {
    const std::string text{line.data()};
    const auto comma = text.find(',');
    if (comma == std::string::npos || text.starts_with("key")) continue;
    double sum = 0, count = 0;
    for (auto from = comma + 1; from < text.size();) {
      sum += std::strtod(text.c_str() + from, nullptr);
      ++count;
      from = text.find_first_of(",;", from);
      if (from == std::string::npos) break;
      ++from;
    }
    table.emplace(text.substr(0, comma), sum / count);
  }
  if (lines != nullptr) ::pclose(lines);
  return table;
}

/// `sizes` has how many values each digit takes; below zero: without order.
Problem table(std::string name, const std::string& file, const std::vector<int>& sizes,
              double sign) {
  Problem problem{std::move(name), {}, {}, HUGE_VAL, sign};
  for (size_t i = 0; i < sizes.size(); ++i) {
    auto digit = fmt::format("k{}", i);
    if (sizes[i] > 0) {
      problem.parameters.push_back(range(digit, 0, sizes[i] - 1));
      continue;
    }
    Parameter parameter{digit, {}, {}};
    for (int k = 0; k < -sizes[i]; ++k) parameter.choices.emplace_back(fmt::format("c{}", k));
    problem.parameters.push_back(std::move(parameter));
  }
  auto rows = std::make_shared<const std::unordered_map<std::string, double>>(table_of(file));
  for (const auto& [key, value] : *rows) problem.bottom = std::min(problem.bottom, sign * value);
  problem.value = [rows, sign, n = sizes.size()](const hpo::Point& point) {
    std::string key;
    for (size_t i = 0; i < n; ++i) {
      const auto& value = point.at(fmt::format("k{}", i));
      key += value.is_int() ? std::to_string(value.as_int()) : value.as_string().substr(1);
    }
    return sign * rows->at(key);
  };
  return problem;
}

}  // namespace

std::string hpo_folder() {
  const char* given = std::getenv("TROUPE_HPO_DATA");
  return given == nullptr ? TROUPE_SOURCE "/../shared/data/hpo" : given;
}

std::vector<Problem> function_problems() {
  using Box = std::vector<std::pair<double, double>>;
  return {function("Branin", branin, {{-5, 10}, {0, 15}}, 0.39788735772973816),
          function("Hartmann3", hartmann3, Box(3, {0, 1}), -3.86278214782076),
          function("Hartmann6", hartmann6, Box(6, {0, 1}), -3.32236801141551),
          function("Rosenbrock4", rosenbrock, Box(4, {-5, 10}), 0),
          function("Ackley5", ackley, Box(5, {-32.768, 32.768}), 0),
          function("Rastrigin5", rastrigin, Box(5, {-5.12, 5.12}), 0)};
}

std::vector<Problem> table_problems() {
  std::vector<Problem> problems{
      table("protein", "fcnet_protein_structure.csv.xz", {-2, -2, 4, 3, 3, 6, -2, 6, 6}, 1),
      table("cifar100", "nb201_cifar100.csv.xz", {-5, -5, -5, -5, -5, -5}, -1),
      table("kc1", "mlp_kc1.csv.xz", {10, 10, 3, 10, 10}, -1)};
  for (const auto& problem : problems)
    if (std::isinf(problem.bottom)) return {};
  return problems;
}

std::vector<std::vector<double>> optuna_says(const std::string& arguments) {
  std::vector<std::vector<double>> lines;
  auto* pipe = ::popen(
      fmt::format("PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 {}/tests/bench/hpo_optuna.py {} "
                  "2>/dev/null",
                  TROUPE_SOURCE, arguments)
          .c_str(),
      "r");
  std::array<char, 512> line{};
  while (pipe != nullptr && std::fgets(line.data(), line.size(), pipe) != nullptr) {
    auto& numbers = lines.emplace_back();
    std::stringstream words{line.data()};
    for (std::string word; words >> word;) numbers.push_back(std::strtod(word.c_str(), nullptr));
  }
  if (pipe == nullptr || ::pclose(pipe) != 0) lines.clear();
  return lines;
}

std::vector<double> best_so_far(const Problem& problem, const SamplerMaker& make, uint64_t trials,
                                uint64_t seed, uint64_t parallel) {
  hpo::SearchSettings settings;
  settings.seed = seed;
  settings.trials = trials;
  settings.maximize = {false};
  settings.parallel = parallel;
  auto sampler = make(hpo::Space::make(problem.parameters).value(), settings);
  std::vector<double> bests;
  std::vector<std::pair<double, hpo::Observation>> running;  // by the time they end
  double best = HUGE_VAL, now = 0;
  for (uint64_t trial = 1; bests.size() < trials;) {
    while (trial <= trials && running.size() < parallel) {
      hpo::Observation made;
      made.trial = trial++;
      made.point = sampler->suggest(made.trial).value();
      sampler->observe(made);
      // Run times are exponential, as of members that differ.
      const double time = -std::log1p(-hpo::Draws{seed, made.trial, 0x71}.uniform());
      running.emplace_back(now + time, std::move(made));
    }
    auto first = std::min_element(running.begin(), running.end(),
                                  [](const auto& a, const auto& b) { return a.first < b.first; });
    now = first->first;
    auto ended = std::move(first->second);
    running.erase(first);
    ended.values = {problem.value(ended.point)};
    ended.outcome = hpo::Outcome::completed;
    best = std::min(best, ended.values[0]);
    sampler->observe(ended);
    bests.push_back(best);
  }
  return bests;
}

}  // namespace troupe::bench
