// JSON in and out of Value, with limits, for input from anybody.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"

#include <string>
#include <string_view>

namespace troupe {

struct JsonLimits {
  size_t bytes_max = 8u << 20;
  size_t depth_max = 64;
};

/// Parses one JSON document. Integers that fit in 64 bits stay integers; of a key given twice the
/// error says so.
Result<Value> parse_json(std::string_view text, JsonLimits limits = {});

/// One line, keys sorted; the strings "NaN", "Infinity", "-Infinity" for floats JSON cannot hold.
/// Bytes that are no UTF-8 become U+FFFD, so the result is always valid.
std::string json_text(const Value& value);

/// The same, indented by two spaces, for people.
std::string json_pretty(const Value& value);

}  // namespace troupe
