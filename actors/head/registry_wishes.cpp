// What is decided about nodes, by people and by the head, and kept in the ledger: it holds across
// restarts of both sides, and for nodes that are away.
#include "actors/head/commit.hpp"
#include "actors/head/registry.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

std::string meta_name(const std::string& node) {
  return "node " + node;
}

Error no_such_node(const std::string& node) {
  return Error{Errc::not_found, fmt::format("no node \"{}\"", node.substr(0, 100)),
               "none of that name has joined", "troupe node ls"};
}

}  // namespace

RegistryState::Wish RegistryState::kept_wish(const std::string& node) const {
  Wish wish;
  auto text = context_->ledger->meta(meta_name(node));
  if (!text || !*text) return wish;
  auto value = parse_json(**text);
  if (!value) return wish;
  if (const auto* drained = value->find("drained"); drained != nullptr && drained->is_bool())
    wish.drained = drained->as_bool();
  if (const auto* labels = value->find("labels"); labels != nullptr && labels->is_map())
    for (const auto& [key, label] : labels->as_map()) wish.labels[key] = label.to_text();
  if (const auto* failures = value->find("failures"); failures != nullptr)
    wish.failures = NodeFailures::from(*failures);
  if (const auto* distrusted = value->find("distrusted");
      distrusted != nullptr && distrusted->is_bool())
    wish.distrusted = distrusted->as_bool();
  return wish;
}

std::string RegistryState::wish_text(const Wish& wish) {
  ValueMap labels;
  for (const auto& [key, value] : wish.labels) labels[key] = value;
  return json_text(Value{ValueMap{{"drained", wish.drained},
                                  {"labels", std::move(labels)},
                                  {"failures", wish.failures.to_value()},
                                  {"distrusted", wish.distrusted}}});
}

/// Durable before it holds.
caf::result<bool> RegistryState::keep(const std::string& node, Wish wish) {
  std::vector<storage::Mutation> mutations{storage::PutMeta{meta_name(node), wish_text(wish)}};
  auto promise = self_->make_response_promise<bool>();
  self_
      ->request(peers_.ledger, commit_timeout, commit_atom_v,
                share(Mutations{std::move(mutations)}))
      .then(
          [this, promise, node, wish](uint64_t) mutable {
            if (auto it = nodes_.find(node); it != nodes_.end()) {
              auto& here = it->second;
              for (const auto& [key, value] : here.wish.labels) here.hello.labels.erase(key);
              here.wish = wish;
              for (const auto& [key, value] : wish.labels) here.hello.labels[key] = value;
              context_->replicas->label(node, here.hello.labels);
              if (here.life != Life::lost) tell_scheduler(here);
            }
            promise.deliver(true);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

/// What failed by the fault of a node since the last look.
void RegistryState::take_failures() {
  for (auto& [id, failure] : context_->failures->take()) {
    auto it = nodes_.find(id);
    if (it == nodes_.end()) continue;
    auto& node = it->second;
    node.wish.failures.add(std::move(failure), context_->rules);
    if (!node.wish.distrusted && node.wish.failures.too_many(context_->rules)) {
      if (can_spare(node)) {
        node.wish.distrusted = true;
        tell(id, "up", "drained", drain_reason(node));
        if (node.life != Life::lost) tell_scheduler(node);
      } else {
        log::warning("registry", "node {} stays in use although {}: too few are left", id,
                     node.wish.failures.summary());
      }
    }
    if (context_->notes->add(
            mutations_ref({storage::PutMeta{meta_name(id), wish_text(node.wish)}})))
      self_->send(peers_.ledger, note_atom_v);
  }
}

/// Where many fail alike, it is not the nodes; and a cluster without nodes helps nobody.
bool RegistryState::can_spare(const Node& node) const {
  size_t left = 0, all = 0;
  for (const auto& [id, other] : nodes_) {
    ++all;
    left += &other != &node && other.life != Life::lost && accepts(other) ? 1 : 0;
  }
  return left > 0 && 2 * left >= all;
}

void RegistryState::fill(api::NodeView& view, Node& node) const {
  view.version = node.hello.version;
  view.joined = node.joined;
  view.clock_ahead_ms = node.clock_ahead_ms;
  if (!node.wish.distrusted) node.wish.failures.expire(context_->clock->now(), context_->rules);
  view.failures = node.wish.failures.texts();
  if (context_->receipts)
    view.drift = context_->receipts->texts_of(view.name, context_->clock->now());
  view.topology = node.hello.topology;
  for (const auto& device : node.hello.devices.devices)
    view.devices.push_back({device.index, device.uuid, device.bus, device.name, device.closed});
}

/// What cannot be killed keeps what it has: its job has not ended. But where the head has given
/// that job up, nobody holds it any more, and a machine with such a process is a sick one.
void RegistryState::stuck(const std::string& id, const std::string& what) {
  auto it = nodes_.find(id);
  if (it == nodes_.end() || it->second.stuck == what) return;
  auto& node = it->second;
  auto before = accepts(node);
  // As people said it is used all the same, more of the same is no news.
  if (what.empty() || node.stuck.empty()) node.stuck_accepted = false;
  node.stuck = what;
  if (before && !accepts(node))
    tell(id, "up", "drained", drain_reason(node));
  else if (!before && accepts(node))
    tell(id, "drained", "up", "what could not be killed there has ended");
  if (node.life != Life::lost) tell_scheduler(node);
}

/// A device that went bad is given to nobody else; what runs on it is its worker's to end.
void RegistryState::devices(const std::string& id, const GpuReport& report) {
  auto it = nodes_.find(id);
  if (it == nodes_.end()) return;
  auto& node = it->second;
  for (const auto& device : report.devices) {
    auto old = std::find_if(node.hello.devices.devices.begin(), node.hello.devices.devices.end(),
                            [&](const GpuDevice& other) { return other.index == device.index; });
    bool was_closed = old != node.hello.devices.devices.end() && !old->closed.empty();
    auto gpu = fmt::format("GPU {}", device.index);
    if (!device.closed.empty() && !was_closed)
      tell(id, gpu, "closed", fmt::format("{} ({}): {}", gpu, device.uuid, device.closed));
    else if (device.closed.empty() && was_closed)
      tell(id, gpu, "open", fmt::format("{} ({}) is given to jobs again", gpu, device.uuid));
  }
  node.hello.devices = report;
  if (node.life != Life::lost) tell_scheduler(node);
}

void RegistryState::cached(const std::string& id, const CacheReport& report) {
  auto it = nodes_.find(id);
  if (it == nodes_.end() || it->second.life == Life::lost) return;
  context_->replicas->put(id, report, context_->clock->now());
  self_->send(peers_.scheduler, cached_atom_v, id,
              CacheReportRef{std::make_shared<const CacheReport>(report)});
}

/// Nodes that are named have to be here; otherwise all that are take part.
caf::result<WarmRef> RegistryState::warm(const WarmRef& asked) {
  std::vector<std::string> names = asked->nodes;
  for (const auto& one : names) {
    auto it = nodes_.find(one);
    if (it == nodes_.end()) return to_caf(no_such_node(one));
    if (!it->second.linked)
      return to_caf(Error{Errc::unavailable, fmt::format("node {} is not here", one),
                          it->second.reason, "troupe node ls"});
  }
  if (names.empty())
    for (const auto& [id, node] : nodes_)
      if (node.life == Life::up && node.linked) names.push_back(id);
  CacheWishes wishes;
  if (!asked->digest.empty()) wishes.bring = {asked->digest};
  wishes.all = false;
  for (const auto& one : names) {
    if (!asked->digest.empty()) context_->replicas->expect(one, asked->digest);
    self_->send(nodes_.at(one).handle, fetch_atom_v, wishes);
  }
  return share(Warm{asked->digest, std::move(names)});
}

bool RegistryState::accepts(const Node& node) {
  return !node.wish.drained && !node.wish.distrusted && (node.stuck.empty() || node.stuck_accepted);
}

/// Of a drain that the head made; people know why they did.
std::string RegistryState::drain_reason(const Node& node) {
  if (node.wish.drained || accepts(node)) return "";
  return node.wish.distrusted ? node.wish.failures.summary() : node.stuck;
}

void RegistryState::tell(const std::string& id, std::string_view from, std::string_view to,
                         const std::string& cause) {
  log::warning("registry", "node {} is {}: {}", id, to, cause);
  Event event;
  event.time = context_->clock->now();
  event.kind = "node";
  event.subject = id;
  event.from = from;
  event.to = to;
  event.cause = cause;
  if (context_->notes->add(mutations_ref({storage::AppendEvent{std::move(event)}})))
    self_->send(peers_.ledger, note_atom_v);
}

caf::result<bool> RegistryState::drain(const std::string& node, bool drained) {
  auto it = nodes_.find(node);
  if (it == nodes_.end()) return to_caf(no_such_node(node));
  auto wish = it->second.wish;
  wish.drained = drained;
  it->second.stuck_accepted = !drained;
  // Whoever wants it used again has seen what it did: it begins with a clean slate.
  if (!drained) {
    wish.distrusted = false;
    wish.failures = {};
  }
  return keep(node, std::move(wish));
}

caf::result<bool> RegistryState::label(const std::string& node, const LabelsRef& labels) {
  auto it = nodes_.find(node);
  if (it == nodes_.end()) return to_caf(no_such_node(node));
  auto wish = it->second.wish;
  for (const auto& [key, value] : *labels) {
    if (value.empty())
      wish.labels.erase(key);
    else
      wish.labels[key] = value;
  }
  constexpr size_t labels_max = 100;
  if (wish.labels.size() > labels_max)
    return to_caf(Error{Errc::invalid, fmt::format("node {} has too many labels", node),
                        fmt::format("{}; {} are the most", wish.labels.size(), labels_max),
                        "remove some: troupe node label NODE NAME="});
  return keep(node, std::move(wish));
}

}  // namespace troupe::actors
