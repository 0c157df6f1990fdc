// hwloc's picture of a machine as a Model. INTERNAL to gpu/topology.
#pragma once

#include "runtime/topology/model.hpp"

#include <string_view>

namespace troupe::topology {

Result<Model> model_of_this_machine();
/// `xml`: the whole text of a file.
Result<Model> model_from_hwloc(std::string_view xml);

}  // namespace troupe::topology
