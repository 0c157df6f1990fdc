#include "actors/head/keeper.hpp"

#include "actors/head/commit.hpp"
#include "actors/head/store_checker.hpp"
#include "actors/head/store_collector.hpp"
#include "actors/head/store_counter.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

namespace troupe::actors {

namespace {

// How soon a stop of the head is noticed while a node is waited for.
constexpr auto look_every = std::chrono::milliseconds{50};

/// Asks an actor from the keeper's thread, or from threads that it waits for.
template <class T, class Handle, class... Ts>
Result<T> ask_actor(caf::actor_system& system, const Handle& target,
                    std::chrono::milliseconds limit, const char* what, Ts... xs) {
  std::optional<Result<T>> answer;
  caf::scoped_actor self{system};
  self->request(target, limit, xs...)
      .receive([&](T& value) { answer = std::move(value); },
               [&](caf::error& e) { answer = from_caf(e, what); });
  return std::move(*answer);
}

/// What a node answers, put down by some other thread.
struct Slot {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<cluster::BulkAnswer>> answer;
};

template <class Ref, class T>
caf::result<Ref> to_answer(Result<T> done) {
  if (!done) return to_caf(done.error());
  return share(std::move(*done));
}

}  // namespace

keeper_actor::behavior_type keeper_behavior(keeper_actor::stateful_pointer<KeeperState> self,
                                            HeadContextRef context, KeeperPeers peers) {
  return self->state.make_behavior(std::move(context), std::move(peers));
}

keeper_actor::behavior_type KeeperState::make_behavior(HeadContextRef context, KeeperPeers peers) {
  context_ = std::move(context);
  peers_ = std::move(peers);
  ports_ = make_ports();
  wait_for_turn();
  return {
      [this](check_atom, const CheckRequestRef& request) {
        return to_answer<StoreCheckRef>(StoreChecker{*context_, ports_}.check(*request));
      },
      [this](clean_atom, const CollectRequestRef& request) {
        return to_answer<CollectionRef>(StoreCollector{*context_, ports_}.collect(*request));
      },
      [this](usage_atom, bool with_nodes) {
        return to_answer<StoreUseRef>(count_store(*context_, ports_, with_nodes));
      },
      [this](tick_atom) {
        apply_rules();
        wait_for_turn();
      },
  };
}

KeeperPorts KeeperState::make_ports() {
  KeeperPorts ports;
  auto& system = self_->home_system();
  ports.nodes = [&system, registry = peers_.registry]() -> Result<std::vector<api::NodeView>> {
    auto views =
        ask_actor<NodeViewsRef>(system, registry, limits::request_timeout, "nodes", nodes_atom_v);
    if (!views) return std::move(views).error();
    return std::move(**views);
  };
  ports.ask = [this](const std::string& node, cluster::BulkRequest request, uint64_t bytes_max,
                     std::chrono::milliseconds limit) {
    return ask(node, std::move(request), bytes_max, limit);
  };
  ports.commit =
      [&system, ledger = peers_.ledger](std::vector<storage::Mutation> mutations) -> Result<void> {
    auto done = ask_actor<uint64_t>(system, ledger, commit_timeout, "a commit", commit_atom_v,
                                    mutations_ref(std::move(mutations)));
    if (!done) return std::move(done).error();
    return ok();
  };
  ports.forget = [&system, datasets = peers_.datasets](ExperimentId id,
                                                       const std::string& cause) -> Result<void> {
    auto done =
        ask_actor<bool>(system, datasets, commit_timeout, "a dataset", forget_atom_v, id, cause);
    if (!done) return std::move(done).error();
    return ok();
  };
  ports.bring = [registry = peers_.registry](const std::string& digest, const std::string& node) {
    caf::anon_send(registry, fetch_atom_v, share(Warm{digest, {node}}));
  };
  return ports;
}

Result<cluster::BulkAnswer> KeeperState::ask(const std::string& node, cluster::BulkRequest request,
                                             uint64_t bytes_max,
                                             std::chrono::milliseconds limit) const {
  if (!context_->ask_node)
    return Error{Errc::unavailable, "nodes cannot be asked", "there is no way to them", ""};
  auto slot = std::make_shared<Slot>();
  cluster::BulkQuestion question;
  question.request = std::move(request);
  question.bytes_max = bytes_max;
  question.limit = limit;
  question.done = [slot](Result<cluster::BulkAnswer> answer) {
    std::lock_guard guard{slot->mutex};
    slot->answer = std::move(answer);
    slot->changed.notify_all();
  };
  context_->ask_node(node, std::move(question));
  std::unique_lock lock{slot->mutex};
  while (!slot->answer) {
    if (*context_->closing)
      return Error{Errc::unavailable, "node " + node + " was not waited for",
                   "the head is being stopped", "ask again when it is back"};
    slot->changed.wait_for(lock, look_every);
  }
  return std::move(*slot->answer);
}

void KeeperState::wait_for_turn() {
  if (context_->retention.every.count() > 0)
    self_->delayed_send(self_, context_->retention.every, tick_atom_v);
}

void KeeperState::apply_rules() {
  auto done = StoreCollector{*context_, ports_}.collect({});
  if (!done) return log::warning("keeper", "{}", to_string(done.error()));
  for (const auto& item : done->items)
    log::info("keeper", "{} {}{}: {} removed; {}", item.kind, item.name,
              item.node.empty() ? "" : " on node " + item.node, bytes_text(item.bytes), item.why);
}

}  // namespace troupe::actors
