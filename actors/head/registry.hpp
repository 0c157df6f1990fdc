// The registry: which nodes exist, what they have, whether they live. It introduces nodes to the
// director and tells it when one is gone.
#pragma once

#include "actors/head/head_context.hpp"

#include <map>
#include <set>
#include <string>

namespace troupe::actors {

class RegistryState {
 public:
  static inline const char* name = "troupe.registry";
  explicit RegistryState(registry_actor::pointer self) : self_{self} {}
  registry_actor::behavior_type make_behavior(HeadContextRef context, director_actor director,
                                              scheduler_actor scheduler);

 private:
  struct Node {
    node_actor handle;
    NodeHello hello;
    Timestamp joined;
    bool up = true;
  };

  caf::result<NodeWelcome> hello(const NodeHello& hello, const node_actor& handle);
  void down(const caf::actor_addr& address);
  caf::typed_response_promise<NodeViewsRef> nodes();
  void arrived(const std::string& node);
  void end_recovery();

  registry_actor::pointer self_;
  HeadContextRef context_;
  director_actor director_;
  scheduler_actor scheduler_;
  std::map<std::string, Node> nodes_;
  std::set<std::string> awaited_;  // recovery is over when these have joined
  bool recovered_ = false;
  std::vector<caf::typed_response_promise<bool>> waiting_;  // for the end of recovery
};

registry_actor::behavior_type registry_behavior(
    registry_actor::stateful_pointer<RegistryState> self, HeadContextRef context,
    director_actor director, scheduler_actor scheduler);

}  // namespace troupe::actors
