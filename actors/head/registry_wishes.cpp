// What people decide about nodes, kept in the ledger: it holds across restarts of both sides, and
// for nodes that are away.
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
  return wish;
}

/// Durable before it holds.
caf::result<bool> RegistryState::keep(const std::string& node, Wish wish) {
  ValueMap labels;
  for (const auto& [key, value] : wish.labels) labels[key] = value;
  auto text = json_text(Value{ValueMap{{"drained", wish.drained}, {"labels", std::move(labels)}}});
  std::vector<storage::Mutation> mutations{storage::PutMeta{meta_name(node), text}};
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
              if (here.life != Life::lost) tell_scheduler(here);
            }
            promise.deliver(true);
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
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

bool RegistryState::accepts(const Node& node) {
  return !node.wish.drained && (node.stuck.empty() || node.stuck_accepted);
}

/// Of a drain that the head made; people know why they did.
std::string RegistryState::drain_reason(const Node& node) {
  if (node.wish.drained || accepts(node)) return "";
  return node.stuck;
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
