// Conditions on parameters as text, such as `optimizer == "sgd" and layers in [2, 3]`: how names
// and values stand in them. What reads them is hpo/predicate. Pure.
#pragma once

#include "runtime/core/value.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// A name as it stands in a condition: in backquotes where it could be taken for something else.
std::string name_text(std::string_view name);
/// A plain value as it stands in a condition.
std::string literal_text(const Value& value);
/// {optimizer: sgd, layers: [2, 3]}: all of these, of a list any.
std::string all_of_text(const ValueMap& values);
/// Both; either may be empty.
std::string both_text(const std::string& a, const std::string& b);

}  // namespace troupe
