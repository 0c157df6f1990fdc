#include "actors/worker/rank_services.hpp"

#include "actors/worker/job_ports.hpp"
#include "runtime/core/log.hpp"

namespace troupe::actors {

namespace {

/// From which its ranks come.
std::vector<std::string> addresses_of(const JobOrder& order) {
  std::vector<std::string> addresses;
  for (const auto& host : order.hosts)
    addresses.push_back(host.address.empty() ? "127.0.0.1" : host.address);
  return addresses;
}

}  // namespace

Result<void> RankServices::begin(const std::string& dir, const JobOrder& order, uint32_t phase) {
  end();
  auto served = serve_store(order, phase);
  if (!serves_pmi(order, phase)) {
    // Most jobs have no use for it; those that have hear that nobody answers.
    if (!served) log::warning("job", "{}: {}", to_string(order.key.job), to_string(served.error()));
    return ok();
  }
  if (!served) return served;
  auto server = PmiServer::start(dir, order, phase);
  if (!server) return std::move(server).error();
  pmi_ = std::move(*server);
  return ok();
}

void RankServices::go_on(const JobOrder& order, uint32_t phase) {
  end();
  if (auto served = serve_store(order, phase); !served)
    log::warning("job", "{}: {}", to_string(order.key.job), to_string(served.error()));
}

void RankServices::end() {
  pmi_.reset();
  store_.reset();
}

Result<void> RankServices::serve_store(const JobOrder& order, uint32_t phase) {
  bool first_of_several = order.node_rank == 0 && order.world_size > 1;
  if (!first_of_several || order.phases[phase].setup || first_port(order) == 0) return ok();
  auto at = store_of(order);
  auto store = comm::StoreServer::start(at, order.token, addresses_of(order));
  // An address by which others reach this machine need not be one of its own.
  if (!store)
    store =
        comm::StoreServer::start({at.host.find(':') == at.host.npos ? "0.0.0.0" : "::", at.port},
                                 order.token, addresses_of(order));
  if (!store) return std::move(store).error();
  store_ = std::move(*store);
  return ok();
}

}  // namespace troupe::actors
