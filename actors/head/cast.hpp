// The head's actors, spawned together and introduced to each other. Owned by Head, or by whoever
// runs a head without its stores' secrets and its API.
#pragma once

#include "actors/head/head_context.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

struct HeadCast {
  ledger_actor ledger;
  series_actor series;
  code_actor code;
  dataset_actor datasets;
  scheduler_actor scheduler;
  director_actor director;
  registry_actor registry;
};

/// `detach_blocking` false: what blocks runs on the scheduler's threads too, as tests need it.
HeadCast spawn_cast(caf::actor_system& system, const HeadContextRef& context,
                    const schedule::Policy& policy, bool detach_blocking = true);

/// Where jobs ran when the head that wrote this ledger ended.
std::vector<std::string> nodes_in_use(const storage::Ledger& ledger);

}  // namespace troupe::actors
