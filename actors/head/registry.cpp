#include "actors/head/registry.hpp"

#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// As long as a silent node is given before it counts as lost: after a restart of the head, what it
// ran starts anew.
constexpr auto recovery_patience = std::chrono::seconds{10};

}  // namespace

registry_actor::behavior_type RegistryState::make_behavior(HeadContextRef context,
                                                           director_actor director,
                                                           scheduler_actor scheduler) {
  context_ = std::move(context);
  director_ = std::move(director);
  scheduler_ = std::move(scheduler);
  awaited_.insert(context_->expected_nodes.begin(), context_->expected_nodes.end());
  recovered_ = awaited_.empty();
  self_->delayed_send(self_, recovery_patience, recovery_atom_v);
  self_->set_down_handler([this](caf::down_msg& message) { down(message.source); });
  return {
      [this](hello_atom, const NodeHello& node, const node_actor& handle) {
        return hello(node, handle);
      },
      [this](find_atom, const std::string& node) -> caf::result<node_actor> {
        auto it = nodes_.find(node);
        if (it == nodes_.end() || !it->second.up)
          return to_caf(Error{Errc::unavailable, fmt::format("node {} is not here", node),
                              "it has left or is lost", "troupe node ls"});
        return it->second.handle;
      },
      [this](nodes_atom) { return nodes(); },
      [this](sync_atom) {
        auto promise = self_->make_response_promise<bool>();
        if (recovered_)
          promise.deliver(true);
        else
          waiting_.push_back(promise);
        return promise;
      },
      [this](recovery_atom) {
        if (recovered_) return;
        for (const auto& node : awaited_)
          log::warning("registry", "node {} did not come back", node);
        end_recovery();
      },
      [this](leave_atom, const std::string& node) {
        if (auto it = nodes_.find(node); it != nodes_.end()) {
          self_->demonitor(it->second.handle.address());
          nodes_.erase(it);
          self_->send(director_, lost_atom_v, node);
        }
      },
      [this](status_atom) { return fmt::format("{} nodes", nodes_.size()); },
  };
}

caf::result<NodeWelcome> RegistryState::hello(const NodeHello& hello, const node_actor& handle) {
  if (hello.protocol != wire_protocol)
    return to_caf(
        Error{Errc::refused, fmt::format("node {} may not join", hello.name),
              fmt::format("it speaks protocol {}, the head {}", hello.protocol, wire_protocol),
              "install the same version of troupe on both"});
  if (auto it = nodes_.find(hello.name);
      it != nodes_.end() && it->second.up && it->second.handle != handle)
    return to_caf(Error{Errc::conflict, fmt::format("node {} may not join", hello.name),
                        "another worker is here under this name", "give each worker its own name"});
  nodes_.insert_or_assign(hello.name, Node{handle, hello, context_->clock->now(), true});
  self_->monitor(handle);
  auto promise = self_->make_response_promise<NodeWelcome>();
  auto node = hello.name;
  self_->request(director_, limits::request_timeout, hello_atom_v, hello, handle)
      .then(
          [this, promise, node](NodeWelcome& welcome) mutable {
            promise.deliver(std::move(welcome));
            arrived(node);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

void RegistryState::arrived(const std::string& node) {
  awaited_.erase(node);
  if (awaited_.empty() && !recovered_) end_recovery();
}

void RegistryState::end_recovery() {
  recovered_ = true;
  self_->send(director_, recovery_atom_v);
  for (auto& promise : std::exchange(waiting_, {})) promise.deliver(true);
}

void RegistryState::down(const caf::actor_addr& address) {
  for (auto& [id, node] : nodes_) {
    if (node.handle.address() != address || !node.up) continue;
    node.up = false;
    log::warning("registry", "node {} is gone", id);
    self_->send(director_, lost_atom_v, id);
  }
}

caf::typed_response_promise<NodeViewsRef> RegistryState::nodes() {
  auto promise = self_->make_response_promise<NodeViewsRef>();
  self_->request(scheduler_, limits::request_timeout, nodes_atom_v)
      .then(
          [this, promise](const NodeViewsRef& views) mutable {
            for (auto& view : *views)
              if (auto it = nodes_.find(view.name); it != nodes_.end()) {
                view.state = it->second.up ? "up" : "lost";
                view.version = it->second.hello.version;
                view.joined = it->second.joined;
              }
            promise.deliver(views);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

registry_actor::behavior_type registry_behavior(
    registry_actor::stateful_pointer<RegistryState> self, HeadContextRef context,
    director_actor director, scheduler_actor scheduler) {
  return self->state.make_behavior(std::move(context), std::move(director), std::move(scheduler));
}

}  // namespace troupe::actors
