// What searches are measured on: functions with known bottoms, and tables of trained networks from
// the data folder. All to be minimised.
#pragma once

#include "hpo/adaptive.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::bench {

struct Problem {
  std::string name;
  std::vector<Parameter> parameters;
  std::function<double(const hpo::Point&)> value;
  double bottom = 0;  // the least value there is
  double sign = 1;    // -1 where the published value is one to maximise
};

/// Branin, Hartmann 3 and 6, Rosenbrock 4, Ackley 5, Rastrigin 5.
std::vector<Problem> function_problems();
/// protein, cifar100, kc1; empty where the data folder or xz is absent.
std::vector<Problem> table_problems();
/// The folder of tables (TROUPE_HPO_DATA), or the one beside the source tree.
std::string hpo_folder();

/// The numbers of each line that hpo_optuna.py prints; empty where there is no Optuna. A word that
/// is no number counts as 0.
std::vector<std::vector<double>> optuna_says(const std::string& arguments);

using SamplerMaker =
    std::function<std::unique_ptr<hpo::Sampler>(const hpo::Space&, const hpo::SearchSettings&)>;

/// The best value after each trial of one search, `parallel` trials at a time.
std::vector<double> best_so_far(const Problem& problem, const SamplerMaker& make, uint64_t trials,
                                uint64_t seed, uint64_t parallel = 1);

}  // namespace troupe::bench
