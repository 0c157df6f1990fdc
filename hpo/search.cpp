#include "hpo/search.hpp"

#include "hpo/cma_sampler.hpp"
#include "hpo/gp_sampler.hpp"
#include "hpo/nsga2.hpp"
#include "hpo/tpe.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

namespace troupe::hpo {
namespace {

// Measured by tests/bench (hpo.functions, hpo.tables): up to here the Gaussian process finds more
// in the same trials than the others. Its cost grows with the cube of the trials, and what length
// scales say fades with the number of parameters.
constexpr uint64_t gp_trials_max = 1000;
constexpr size_t gp_parameters_max = 20;
constexpr uint64_t gp_choices_max = 32;    // of one parameter without order
constexpr uint64_t gp_parallel_max = 128;  // fantasies of more say little
constexpr uint64_t genetic_trials = 1000;  // from here on a population has time to move
constexpr uint64_t trials_assumed = 200;   // where the search has no end of its own

/// What decides, in numbers.
struct Shape {
  size_t varying = 0, unordered = 0;
  uint64_t choices = 0;  // the most of one parameter without order; two have one
};

Shape shape_of(const Space& space) {
  Shape shape;
  for (const auto& axis : space.axes()) {
    Coordinate coordinate{axis};
    if (coordinate.kind() == Coordinate::Kind::constant) continue;
    ++shape.varying;
    if (coordinate.kind() != Coordinate::Kind::category || *coordinate.points() == 2) continue;
    ++shape.unordered;
    shape.choices = std::max(shape.choices, *coordinate.points());
  }
  return shape;
}

}  // namespace

const std::vector<std::string>& adaptive_strategies() {
  static const std::vector<std::string> names{"auto", "tpe",    "tpe-independent",
                                              "gp",   "cma-es", "nsga2"};
  return names;
}

SearchSettings search_settings(const SweepSpec& sweep) {
  SearchSettings settings;
  settings.seed = sweep.seed.value_or(0);
  settings.trials = sweep.trials;
  settings.maximize.clear();
  for (const auto& metric : objectives(sweep)) settings.maximize.push_back(metric.maximize);
  settings.parallel = sweep.concurrency.value_or(1);
  return settings;
}

StrategyChoice choose_strategy(const Space& space, const SearchSettings& settings) {
  const auto shape = shape_of(space);
  const auto trials = settings.trials.value_or(trials_assumed);
  const auto budget = settings.trials ? fmt::format("{} trials", trials)
                                      : std::string{"trials without an end given"};
  const auto objectives = settings.maximize.size();
  if (objectives > 1) {
    if (trials >= genetic_trials)
      return {"nsga2", fmt::format("{} objectives and {}: enough for a population to spread along "
                                   "the front",
                                   objectives, budget)};
    return {"tpe", fmt::format("{} objectives and {}: too few for a population of 50 to move far",
                               objectives, budget)};
  }
  if (shape.varying == 0) return {"tpe", "no parameter has more than one value"};
  if (trials > gp_trials_max) {
    if (space.rules().has_conditions())
      return {"tpe", fmt::format("{}, and parameters that are not always active: those that are "
                                 "active together are modelled together",
                                 budget)};
    if (shape.unordered == 0)
      return {"cma-es", fmt::format("{}, all {} parameters ordered: many small steps beat a model "
                                    "of everything",
                                    budget, shape.varying)};
    return {"tpe", fmt::format("{}, {} of {} parameters without order: cheap at any number of "
                               "trials, and at home with choices",
                               budget, shape.unordered, shape.varying)};
  }
  if (shape.varying > gp_parameters_max)
    return {"tpe", fmt::format("{} parameters are more than the {} whose scales a Gaussian process "
                               "can learn",
                               shape.varying, gp_parameters_max)};
  if (shape.choices > gp_choices_max)
    return {"tpe", fmt::format("a parameter has {} choices without order: counts say more of them "
                               "than distances",
                               shape.choices)};
  if (settings.parallel > gp_parallel_max)
    return {"tpe", fmt::format("{} trials at a time are more than a Gaussian process can keep "
                               "apart",
                               settings.parallel)};
  return {"gp", fmt::format("{} over {} parameter{}: few enough for a model of everything, which "
                            "makes most of each",
                            budget, shape.varying, shape.varying == 1 ? "" : "s")};
}

Result<std::unique_ptr<Sampler>> make_search(std::string_view strategy, Space space,
                                             SearchSettings settings) {
  if (strategy == "auto") {
    const auto choice = choose_strategy(space, settings);
    return make_search(choice.strategy, std::move(space), std::move(settings));
  }
  if (strategy == "tpe") return make_tpe_sampler(std::move(space), std::move(settings));
  if (strategy == "tpe-independent") {
    TpeSettings independent;
    independent.multivariate = false;
    return make_tpe_sampler(std::move(space), std::move(settings), independent);
  }
  if (strategy == "gp") return make_gp_sampler(std::move(space), std::move(settings));
  if (strategy == "cma-es") return make_cma_sampler(std::move(space), std::move(settings));
  if (strategy == "nsga2") return make_nsga2_sampler(std::move(space), std::move(settings));
  return Error{Errc::invalid, fmt::format("strategy {} is not known", strategy),
               "it is none that learns", suggestion(strategy, adaptive_strategies())};
}

}  // namespace troupe::hpo
