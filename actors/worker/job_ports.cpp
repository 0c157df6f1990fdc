#include "actors/worker/job_ports.hpp"

#include "actors/worker/run_request.hpp"
#include "runtime/launch/ports.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

/// Ranks of many processes would take more descriptors than the certainty is worth.
constexpr uint32_t held_max = 128;

std::string book_key(const JobOrder& order) {
  return run_key(order.key, 0);
}

}  // namespace

Result<void> take_ports(const WorkerContext& context, JobOrder& order) {
  if (!context.ports) return ok();
  // A process alone has nobody to listen for; its script may listen all the same, as rank 0 does.
  auto count = launch::ports_of(order.processes);
  auto held = order.world_size == 1 ? 1 : std::min(count, held_max);
  auto first = context.ports->take(book_key(order), count, held);
  if (!first) return std::move(first).error();
  if (order.hosts.size() <= order.node_rank) order.hosts.resize(order.node_rank + 1);
  order.hosts[order.node_rank].first_port = *first;
  return ok();
}

void keep_ports(const WorkerContext& context, const JobOrder& order) {
  if (context.ports && first_port(order) != 0)
    context.ports->keep(book_key(order), first_port(order), launch::ports_of(order.processes));
}

void let_ports_go(const WorkerContext& context, const JobOrder& order, uint32_t phase) {
  const auto& line = order.phases[phase];
  if (context.ports && !line.setup && !line.receipt) context.ports->let_go(book_key(order));
}

void let_store_port_go(const WorkerContext& context, const JobOrder& order) {
  if (context.ports)
    context.ports->let_go(book_key(order), static_cast<uint32_t>(launch::Port::store));
}

void release_ports(const WorkerContext& context, const JobOrder& order) {
  if (context.ports) context.ports->release(book_key(order));
}

uint16_t first_port(const JobOrder& order) {
  return order.node_rank < order.hosts.size() ? order.hosts[order.node_rank].first_port : 0;
}

}  // namespace troupe::actors
