#include "actors/head/gateway_bridge.hpp"

namespace troupe::actors {

caf::behavior bridge_behavior(caf::event_based_actor* self) {
  return {
      [self](ask_atom, const QuestionRef& question) { (*question)(self); },
  };
}

}  // namespace troupe::actors
