// What nodes keep of datasets, in words. Pure.
#pragma once

#include "runtime/core/value.hpp"

#include <string>

namespace troupe::cli {

/// "1.2 GiB of 10 GiB used, 3 versions".
std::string cache_text(const Value& cache);
/// Of one version on one node, as `data show` and `node show` have it: "gpu1  here, 1.2 GiB, ...".
/// Begins with the node's name where `with_node`, else with the dataset's.
std::string cached_text(const Value& version, bool with_node);

}  // namespace troupe::cli
