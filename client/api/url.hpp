// The target of a request, taken apart: decoded path segments and query. Pure functions; the input
// comes from anybody.
#pragma once

#include "runtime/core/result.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

using Query = std::map<std::string, std::string, std::less<>>;

struct Url {
  std::vector<std::string> path;  // decoded; never empty parts, "." or ".."
  Query query;
};

/// Refuses malformed escapes, zero bytes, empty and dot segments, and names given twice.
Result<Url> parse_url(std::string_view target);

}  // namespace troupe::api
