// du: what takes how much on the head's disk and on the nodes', shared bytes counted once. Reads
// alone; blocks.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/keeper_ports.hpp"
#include "client/api/storage_service.hpp"

namespace troupe::actors {

/// `with_nodes` false: of the head alone.
Result<api::StoreUse> count_store(const HeadContext& context, const KeeperPorts& ports,
                                  bool with_nodes);

}  // namespace troupe::actors
