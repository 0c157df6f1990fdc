// NSGA-II (Deb 2002): a population of the best by domination, then by crowding; new points are
// crossed from pairs of it and mutated. Whatever has ended joins the next choice, so no trial is
// waited for. One thread.
#pragma once

#include "hpo/adaptive.hpp"

#include <memory>

namespace troupe::hpo {

struct Nsga2Settings {
  size_t population = 50;
  double crossover = 0.9;  // chance that a child has two parents
  double swap = 0.5;       // chance that a parameter comes from the second
};

std::unique_ptr<Sampler> make_nsga2_sampler(Space space, SearchSettings settings,
                                            Nsga2Settings nsga2 = {});

}  // namespace troupe::hpo
