// A placement receipt for people.
#pragma once

#include "runtime/core/value.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

/// Of the JSON of an attempt's receipt; none where there is no receipt.
std::vector<std::string> receipt_lines(const Value& receipt);

}  // namespace troupe::cli
