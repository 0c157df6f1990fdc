// Every strategy that learns, by its name, and `auto`, which picks one of them. Pure functions.
#pragma once

#include "hpo/adaptive.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::hpo {

/// auto, tpe, tpe-independent, gp, cma-es, nsga2.
const std::vector<std::string>& adaptive_strategies();

/// What a sweep says of its search; a seed that was not drawn yet is 0.
SearchSettings search_settings(const SweepSpec& sweep);

struct StrategyChoice {
  std::string strategy;
  std::string reason;  // in words, with the numbers that decided
};

/// What `auto` takes for this space, budget and number of trials at a time.
StrategyChoice choose_strategy(const Space& space, const SearchSettings& settings);

/// `invalid` where the name is not known, or the strategy cannot search such a space; the hint says
/// which can.
Result<std::unique_ptr<Sampler>> make_search(std::string_view strategy, Space space,
                                             SearchSettings settings);

}  // namespace troupe::hpo
