// A series of points as one line of block characters. Pure.
#pragma once

#include "runtime/core/value.hpp"

#include <string>

namespace troupe::cli {

/// `points` as the API gives them ({value}); at most `width` characters, each the mean of its
/// share. Values that are no finite numbers leave a space.
std::string sparkline(const ValueList& points, size_t width);

}  // namespace troupe::cli
