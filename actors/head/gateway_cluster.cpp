// What admins do with nodes, asked of the registry and of the join desk.
#include "actors/head/gateway_service.hpp"
#include "runtime/core/log.hpp"

namespace troupe::actors {

namespace {

constexpr auto wish_timeout = std::chrono::seconds{30};

Result<void> check_admin(const api::Caller& caller) {
  if (caller.admin && !caller.job) return ok();
  return Error{
      Errc::refused, "only admins may change the cluster",
      caller.job ? "a job's token is good for its own experiment alone" : caller.user + " is none",
      "ask whoever runs the head"};
}

}  // namespace

kj::Promise<Result<void>> GatewayService::drain_node(const api::Caller& caller, std::string node,
                                                     bool drained) {
  if (auto may = check_admin(caller); !may) return may;
  return bridge_
      .ask<bool>(peers_.registry, wish_timeout, "a node", drain_atom_v, std::move(node), drained)
      .then([](Result<bool> answer) { return without_value(std::move(answer)); });
}

kj::Promise<Result<void>> GatewayService::label_node(const api::Caller& caller, std::string node,
                                                     std::map<std::string, std::string> labels) {
  if (auto may = check_admin(caller); !may) return may;
  return bridge_
      .ask<bool>(peers_.registry, wish_timeout, "a node", label_atom_v, std::move(node),
                 share(std::move(labels)))
      .then([](Result<bool> answer) { return without_value(std::move(answer)); });
}

Result<void> GatewayService::remove_node(const api::Caller& caller, const std::string& node) {
  TROUPE_TRY(check_admin(caller));
  if (!context_->joins || !peers_.cut_node)
    return Error{Errc::refused, "no node can be removed here", "`troupe up` is one machine",
                 "stop it, and start it with fewer workers"};
  // First the certificate: what is cut may not be back before.
  TROUPE_TRY(context_->joins->remove(node));
  log::warning("audit", "{} removed node {}: its certificate is taken back", caller.user, node);
  peers_.cut_node(node);
  caf::anon_send(peers_.registry, leave_atom_v, node);
  return ok();
}

Result<std::string> GatewayService::join_token(const api::Caller& caller, Duration life) {
  TROUPE_TRY(check_admin(caller));
  if (!context_->joins)
    return Error{Errc::refused, "no other machine can join here", "`troupe up` is one machine",
                 "start the head of a cluster: troupe head"};
  return context_->joins->make_token(life);
}

}  // namespace troupe::actors
