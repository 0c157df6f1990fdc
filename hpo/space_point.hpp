// A point of a search space: what one member tries.
#pragma once

#include "runtime/core/value.hpp"

#include <map>
#include <string>

namespace troupe::hpo {

/// The values of one member, by parameter name. One that is not active has none.
using Point = std::map<std::string, Value>;

}  // namespace troupe::hpo
