#include "actors/head/registry.hpp"

#include "actors/head/orders.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {

namespace {

constexpr auto link_ended = "its link ended";
// Of clocks: the year 2100. Beyond it a worker makes fun of us.
constexpr int64_t time_us_max = int64_t{4'102'444'800} * 1'000'000;

}  // namespace

registry_actor::behavior_type RegistryState::make_behavior(HeadContextRef context,
                                                           RegistryPeers peers) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  standstill_ =
      Standstill{std::min<std::chrono::nanoseconds>(look_most, context_->rules.suspect_after / 4)};
  awaited_.insert(context_->expected_nodes.begin(), context_->expected_nodes.end());
  recovered_ = awaited_.empty();
  // As long as a silent node is given before it counts as lost: after a restart of the head, what
  // it ran starts anew.
  self_->delayed_send(self_, context_->rules.lost_after, recovery_atom_v);
  self_->set_down_handler([this](caf::down_msg& message) { down(message.source); });
  return {
      [this](hello_atom, const NodeHello& node, const node_actor& handle) {
        return hello(node, handle);
      },
      [this](find_atom, const std::string& node) -> caf::result<node_actor> {
        auto it = nodes_.find(node);
        if (it == nodes_.end() || !it->second.linked)
          return to_caf(
              Error{Errc::unavailable, fmt::format("node {} is not here", node),
                    it == nodes_.end() ? "none of that name has joined" : it->second.reason,
                    "troupe node ls"});
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
      [this](beat_atom, const std::string& node) { return beat(node); },
      [this](goodbye_atom, const std::string& node) {
        auto it = nodes_.find(node);
        if (it != nodes_.end()) suspect(node, it->second, "its worker was stopped");
      },
      [this](unlinked_atom, const std::string& node, const std::string& cause) {
        // Who says more than that the connection ended knows better.
        auto it = nodes_.find(node);
        if (it != nodes_.end() && !it->second.linked && it->second.reason == link_ended)
          it->second.reason = cause;
      },
      [this](silent_atom, const std::string& node, bool silent) {
        if (auto it = nodes_.find(node); it != nodes_.end()) it->second.machine_silent = silent;
      },
      [this](stuck_atom, const std::string& node, const std::string& what) { stuck(node, what); },
      [this](cache_atom, const std::string& node, const CacheReport& report) {
        cached(node, report);
      },
      [this](devices_atom, const std::string& node, const GpuReport& report) {
        devices(node, report);
      },
      [this](fetch_atom, const WarmRef& asked) { return warm(asked); },
      [this](drain_atom, const std::string& node, bool drained) { return drain(node, drained); },
      [this](label_atom, const std::string& node, const LabelsRef& labels) {
        return label(node, labels);
      },
      [this](suspect_atom) { look(); },
      [this](leave_atom, const std::string& node) {
        if (auto it = nodes_.find(node); it != nodes_.end()) {
          self_->demonitor(it->second.handle.address());
          nodes_.erase(it);
          context_->replicas->drop(node);
          self_->send(peers_.director, lost_atom_v, node, int64_t{0});
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
  auto known = nodes_.find(hello.name);
  if (known != nodes_.end() && known->second.linked && known->second.handle != handle &&
      known->second.hello.epoch != hello.epoch)
    return to_caf(Error{Errc::conflict, fmt::format("node {} may not join", hello.name),
                        "another worker is here under this name", "give each worker its own name"});
  if (known != nodes_.end()) self_->demonitor(known->second.handle.address());
  Node node;
  node.handle = handle;
  node.hello = hello;
  node.joined = context_->clock->now();
  node.seen = context_->clock->monotonic();
  node.wish = kept_wish(hello.name);
  // What the director and the scheduler learn of it holds the people's wishes already: a drained
  // node gets no job in between.
  for (const auto& [key, value] : node.wish.labels) node.hello.labels[key] = value;
  node.stuck = hello.stuck;
  if (hello.time_us > 0 && hello.time_us < time_us_max)
    node.clock_ahead_ms = std::llround(static_cast<double>(hello.time_us - node.joined.us) / 1000);
  node.hello.accepts = accepts(node);
  context_->replicas->label(hello.name, node.hello.labels);
  auto introduced = node.hello;
  nodes_.insert_or_assign(hello.name, std::move(node));
  self_->monitor(handle);
  if (handle.node() != self_->node() && !std::exchange(looking_, true)) {
    (void)standstill_.look(context_->clock->monotonic());
    self_->delayed_send(self_, standstill_.every(), suspect_atom_v);
  }
  auto promise = self_->make_response_promise<NodeWelcome>();
  self_->request(peers_.director, limits::request_timeout, hello_atom_v, introduced, handle)
      .then(
          [this, promise, name = hello.name](NodeWelcome& welcome) mutable {
            welcome.beat_ms = static_cast<uint32_t>(context_->rules.beat_every().count());
            promise.deliver(std::move(welcome));
            arrived(name);
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
  self_->send(peers_.director, recovery_atom_v);
  for (auto& promise : std::exchange(waiting_, {})) promise.deliver(true);
}

void RegistryState::down(const caf::actor_addr& address) {
  for (auto& [id, node] : nodes_) {
    if (node.handle.address() != address || !node.linked) continue;
    node.linked = false;
    if (node.handle.node() == self_->node()) {
      node.reason = "it has ended";
      lose(id, node);
    } else {
      suspect(id, node, link_ended);
    }
  }
}

/// It gets nothing new; what it runs goes on.
void RegistryState::suspect(const std::string& id, Node& node, const std::string& reason) {
  if (node.life != Life::up) return;
  node.life = Life::suspect;
  node.reason = reason;
  log::warning("registry", "node {} is suspect: {}", id, reason);
  tell_scheduler(node);
}

void RegistryState::lose(const std::string& id, Node& node) {
  node.life = Life::lost;
  context_->replicas->drop(id);
  log::warning("registry", "node {} is lost: {}", id, node.reason);
  auto silent = std::chrono::duration_cast<Duration>(context_->clock->monotonic() - node.seen);
  self_->send(peers_.director, lost_atom_v, id, int64_t{silent.count()});
}

/// Where half of them fall silent together, it is the way to them that is cut, maybe at the head.
bool RegistryState::most_machines_answer() const {
  size_t silent = 0, all = 0;
  for (const auto& [id, node] : nodes_) {
    if (node.life == Life::lost || node.handle.node() == self_->node()) continue;
    ++all;
    silent += node.machine_silent ? 1 : 0;
  }
  return 2 * silent < all;
}

/// Who has been silent for too long?
void RegistryState::look() {
  auto now = context_->clock->monotonic();
  auto stood_still = standstill_.look(now);
  auto most_answer = most_machines_answer();
  for (auto& [id, node] : nodes_) {
    node.seen = std::min(node.seen + stood_still, now);
    if (node.life == Life::lost || node.handle.node() == self_->node()) continue;
    auto silent = now - node.seen;
    if (silent > context_->rules.suspect_after)
      suspect(id, node, "it gave no sign of life for some seconds");
    bool dead = node.machine_silent && most_answer;
    auto patience = dead ? context_->rules.machine_lost_after() : context_->rules.lost_after;
    if (silent > patience && node.life == Life::suspect) lose(id, node);
  }
  take_failures();
  self_->delayed_send(self_, standstill_.every(), suspect_atom_v);
}

/// Whether it counts as up now.
bool RegistryState::beat(const std::string& id) {
  auto it = nodes_.find(id);
  if (it == nodes_.end() || !it->second.linked) return false;
  auto& node = it->second;
  node.seen = context_->clock->monotonic();
  // It does not know that it was given up. Without its desk it dials anew, and tells what it has.
  if (node.life == Life::lost && self_->current_sender())
    self_->send_exit(caf::actor_cast<caf::actor>(self_->current_sender()),
                     caf::exit_reason::user_shutdown);
  if (node.life != Life::suspect || node.reason == "its worker was stopped")
    return node.life == Life::up;
  node.life = Life::up;
  node.reason.clear();
  log::warning("registry", "node {} lives again", id);
  tell_scheduler(node);
  return true;
}

void RegistryState::tell_scheduler(const Node& node) {
  auto open = node.life == Life::up && accepts(node);
  self_->send(peers_.scheduler, node_atom_v, share(node_spec_of(node.hello, open)));
}

caf::typed_response_promise<NodeViewsRef> RegistryState::nodes() {
  auto promise = self_->make_response_promise<NodeViewsRef>();
  self_->request(peers_.scheduler, limits::request_timeout, nodes_atom_v)
      .then(
          [this, promise](const NodeViewsRef& views) mutable {
            for (auto& view : *views)
              if (auto it = nodes_.find(view.name); it != nodes_.end()) {
                auto& node = it->second;
                view.state = node.life == Life::lost      ? "lost"
                             : node.life == Life::suspect ? "suspect"
                             : !accepts(node)             ? "drained"
                                                          : "up";
                view.reason = node.life == Life::up ? drain_reason(node) : node.reason;
                fill(view, node);
                view.cache = context_->replicas->of(view.name);
              }
            // The scheduler has dropped those that are lost.
            for (auto& [id, node] : nodes_) {
              if (node.life != Life::lost) continue;
              api::NodeView view;
              view.name = id;
              view.state = "lost";
              view.reason = node.reason;
              fill(view, node);
              view.labels = node.hello.labels;
              std::erase_if(*views, [&lost = id](const auto& other) { return other.name == lost; });
              views->push_back(std::move(view));
            }
            std::sort(views->begin(), views->end(),
                      [](const auto& a, const auto& b) { return a.name < b.name; });
            promise.deliver(views);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

registry_actor::behavior_type registry_behavior(
    registry_actor::stateful_pointer<RegistryState> self, HeadContextRef context,
    RegistryPeers peers) {
  return self->state.make_behavior(std::move(context), std::move(peers));
}

}  // namespace troupe::actors
