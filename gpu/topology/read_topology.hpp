// Reads what a machine looks like: this one, or one of which there is a file. Plain and
// synchronous; tens of milliseconds, more on large machines.
#pragma once

#include "runtime/topology/model.hpp"

#include <string>
#include <string_view>

namespace troupe::topology {

/// This machine, with the CPUs that this process may use. not_found without hwloc.
Result<Model> read_this_machine();

/// A file of hwloc's (lstopo FILE.xml) or of NCCL's (NCCL_TOPO_DUMP_FILE).
Result<Model> read_topology_file(const std::string& path);
/// The same of its text.
Result<Model> read_topology_text(std::string_view text);

}  // namespace troupe::topology
