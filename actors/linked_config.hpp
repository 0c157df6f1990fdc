// The CAF system of a process with links to others: its messages can be read from bytes, and dead
// connections are noticed.
#pragma once

#include "actors/messages.hpp"
#include "runtime/cluster/config.hpp"

#include <caf/io/all.hpp>

namespace troupe::actors {

struct LinkedConfig : cluster::Config {
  LinkedConfig() {
    load<caf::io::middleman>();
    add_message_types<caf::id_block::troupe_actors>();
    // By default a cut cable goes unnoticed for ever.
    set("middleman.heartbeat-interval", caf::timespan{std::chrono::seconds{1}});
    set("middleman.connection-timeout", caf::timespan{std::chrono::seconds{5}});
  }
};

}  // namespace troupe::actors
