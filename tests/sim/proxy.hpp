// What stands in one simulated process for an actor of another, as CAF's own proxies do: it has the
// node id of the other process, can be monitored, and hands all it is sent to a wire.
#pragma once

#include "runtime/wire/messages.hpp"

#include <caf/actor_proxy.hpp>
#include <caf/all.hpp>

#include <functional>

namespace troupe::sim {

class Proxy final : public caf::actor_proxy {
 public:
  /// Takes what is sent: from whom, as what, what.
  using Wire = std::function<void(caf::strong_actor_ptr, caf::message_id, caf::message)>;

  Proxy(caf::actor_config& config, Wire wire) : caf::actor_proxy{config}, wire_{std::move(wire)} {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    // As CAF: what is sent to an actor that cannot be reached any more is lost without a word.
    if (wire_) wire_(what->sender, what->mid, what->move_content_to_message());
  }
  void kill_proxy(caf::execution_unit* unit, caf::error reason) override {
    wire_ = nullptr;
    cleanup(std::move(reason), unit);
  }

 private:
  Wire wire_;
};

/// The proxy of actor `id` of that node.
inline caf::strong_actor_ptr make_proxy(caf::actor_system& system, caf::actor_id id,
                                        const caf::node_id& node, Proxy::Wire wire) {
  caf::actor_config config;
  return caf::make_actor<Proxy, caf::strong_actor_ptr>(id, node, &system, config, std::move(wire));
}

}  // namespace troupe::sim
