// The code actor: takes code snapshots from clients.
#pragma once

#include "actors/head/head_context.hpp"

namespace troupe::actors {

code_actor::behavior_type code_behavior(code_actor::pointer self, HeadContextRef context);

}  // namespace troupe::actors
