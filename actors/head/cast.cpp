#include "actors/head/cast.hpp"

#include "actors/head/code.hpp"
#include "actors/head/datasets.hpp"
#include "actors/head/director.hpp"
#include "actors/head/ledger.hpp"
#include "actors/head/registry.hpp"
#include "actors/head/scheduler.hpp"
#include "actors/head/series.hpp"

#include <set>

namespace troupe::actors {

HeadCast spawn_cast(caf::actor_system& system, const HeadContextRef& context,
                    const schedule::Policy& policy, bool detach_blocking) {
  auto spawn = [&](auto behavior) {
    return detach_blocking ? system.spawn<caf::detached>(behavior, context)
                           : system.spawn(behavior, context);
  };
  HeadCast cast;
  cast.ledger = spawn(ledger_behavior);
  cast.series = spawn(series_behavior);
  cast.code = spawn(code_behavior);
  cast.datasets = detach_blocking
                      ? system.spawn<caf::detached>(dataset_behavior, context, cast.ledger)
                      : system.spawn(dataset_behavior, context, cast.ledger);
  cast.scheduler = system.spawn(scheduler_behavior, context->clock, policy);
  cast.director =
      system.spawn(director_behavior, context,
                   DirectorPeers{cast.ledger, cast.scheduler, cast.series, cast.datasets});
  caf::anon_send(cast.scheduler, attach_atom_v, caf::actor_cast<placement_sink>(cast.director));
  cast.registry = system.spawn(registry_behavior, context,
                               RegistryPeers{cast.director, cast.scheduler, cast.ledger});
  return cast;
}

std::vector<std::string> nodes_in_use(const storage::Ledger& ledger) {
  std::set<std::string> nodes;
  auto live = ledger.live();
  if (!live) return {};
  for (auto id : *live) {
    auto record = ledger.experiment(id);
    if (!record || !*record || (**record).state == State::queued || (**record).attempts.empty())
      continue;
    for (const auto& job : (**record).attempts.back().jobs)
      if (!is_terminal(job.state)) nodes.insert(job.node);
  }
  return {nodes.begin(), nodes.end()};
}

}  // namespace troupe::actors
