// The CAF system as every process of Troupe sets it up.
#pragma once

#include "runtime/core/limits.hpp"
#include "runtime/wire/messages.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <thread>

namespace troupe::cluster {

struct Config : caf::actor_system_config {
  Config() {
    add_message_types<caf::id_block::troupe_wire>();
    // Work stealing burns a fifth of a core on an idle node with many threads.
    set("scheduler.policy", caf::atom("sharing"));
    // Actors wait more than they compute: each thread more is one more to be woken for a message,
    // and takes the time from jobs.
    auto half = static_cast<size_t>(std::thread::hardware_concurrency() / 2);
    set("scheduler.max-threads", std::clamp<size_t>(half, 2, limits::actor_threads_max));
  }
};

}  // namespace troupe::cluster
