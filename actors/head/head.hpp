// The head as one object: its stores, its actors and its API, started and stopped in order. `up`
// has one beside its workers, `troupe head` one with a cluster port. Owned by main.
#pragma once

#include "actors/head/cast.hpp"
#include "actors/head/gateway.hpp"
#include "actors/head/head_context.hpp"
#include "actors/head/keeper.hpp"
#include "actors/head/lag_probe.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

struct HeadOptions {
  std::string dir;
  std::string bind = "127.0.0.1";
  uint16_t port = 7070;     // 0: a free one
  bool port_given = false;  // otherwise a taken 7070 gives way to a free port
  std::vector<std::string> allowed_hosts;
  schedule::Policy policy;
  NodeRules rules;
  RetentionRules retention;
  AskNode ask_node;                                       // for files of jobs
  std::function<void(const std::string& node)> cut_node;  // ends its connections
  bool keeps_checkpoints = true;                          // see HeadContext
  std::shared_ptr<cluster::JoinDesk> joins;               // null: no other machine can join
  std::shared_ptr<Replicas> replicas = std::make_shared<Replicas>();
  /// After a restart these are waited for; absent: those on which the ledger knows jobs to run.
  std::optional<std::vector<std::string>> expected_nodes;
};

class Head {
 public:
  Head(HeadOptions options, caf::actor_system& system);
  ~Head();
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  Result<void> start();
  /// Stops what runs; it is queued again. How many that were, or none where it took too long.
  uint64_t drain(const std::string& cause);
  /// In two steps, so that workers of the same process can end in between: no more requests, and
  /// nodes that leave are not missed; then the rest.
  void stop_serving();
  void stop();

  std::string url() const;
  uint16_t port() const { return gateway_->port(); }
  const std::string& owner_token() const { return token_; }
  const std::string& owner() const { return user_; }
  const HeadContextRef& context() const { return context_; }
  const registry_actor& registry() const { return cast_.registry; }
  const director_actor& director() const { return cast_.director; }

  static constexpr auto drain_timeout = std::chrono::seconds{20};

 private:
  Result<void> start_actors();
  Result<void> start_gateway();
  template <class Handle>
  void end(Handle& actor);

  HeadOptions options_;
  caf::actor_system& system_;
  std::shared_ptr<SystemClock> clock_ = std::make_shared<SystemClock>();
  std::shared_ptr<EventRelay> relay_ = std::make_shared<EventRelay>();
  std::string token_;
  std::string user_;
  HeadContextRef context_;
  HeadCast cast_;
  lag_probe_actor lag_probe_;
  keeper_actor keeper_;
  search_checker_actor searches_;
  std::unique_ptr<Gateway> gateway_;
};

}  // namespace troupe::actors
