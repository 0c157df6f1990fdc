// The CAF system as every process of Troupe sets it up.
#pragma once

#include "runtime/core/limits.hpp"
#include "runtime/wire/messages.hpp"

#include <caf/all.hpp>

namespace troupe::cluster {

struct Config : caf::actor_system_config {
  Config() {
    add_message_types<caf::id_block::troupe_wire>();
    // Work stealing burns a fifth of a core on an idle node with many threads.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", size_t{limits::scheduler_threads});
  }
};

}  // namespace troupe::cluster
