// The ports of a job on its node, from its order to its end.
#pragma once

#include "actors/worker/worker_context.hpp"

namespace troupe::actors {

/// Sets them aside and notes the first in the order. Nothing happens where the node has no book.
Result<void> take_ports(const WorkerContext& context, JobOrder& order);
/// An order that was found with a running job.
void keep_ports(const WorkerContext& context, const JobOrder& order);
/// That line of it starts now.
void let_ports_go(const WorkerContext& context, const JobOrder& order, uint32_t phase);
/// The one at which the worker itself serves.
void let_store_port_go(const WorkerContext& context, const JobOrder& order);
void release_ports(const WorkerContext& context, const JobOrder& order);
/// Of its own block; 0: it has none.
uint16_t first_port(const JobOrder& order);

}  // namespace troupe::actors
