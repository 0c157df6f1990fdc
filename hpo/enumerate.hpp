// The points of a finite space one by one, where parameters depend on each other. Pure.
#pragma once

#include "hpo/space.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe::hpo {

/// For each point the index of its value on each axis (of a grid: among the grid's), in the order
/// of axes, points in lexicographic order; Space::inactive where an axis has no value. Null where
/// an axis has no end, or there are more than `most` points.
std::shared_ptr<const std::vector<uint32_t>> enumerate_points(const std::vector<Axis>& axes,
                                                              const SpaceRules& rules, bool grid,
                                                              size_t most);

}  // namespace troupe::hpo
