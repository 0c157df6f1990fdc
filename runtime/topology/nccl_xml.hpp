// Topologies as NCCL and RCCL write them (NCCL_TOPO_DUMP_FILE) and clouds publish them. They know
// nothing of cores, packages and memory: each CPU counts as a core of its own, each NUMA node as a
// package. Pure.
#pragma once

#include "runtime/topology/model.hpp"
#include "runtime/topology/xml.hpp"

namespace troupe::topology {

/// invalid where it is another document, or none of its devices can be told from the others.
Result<Model> model_from_nccl(const XmlElement& root);

}  // namespace troupe::topology
