#include "actors/head/head.hpp"

#include "actors/head/receipt_recall.hpp"
#include "actors/head/search_checker.hpp"
#include "actors/head/stores.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

Head::Head(HeadOptions options, caf::actor_system& system)
    : options_{std::move(options)}, system_{system} {}

Head::~Head() {
  stop();
}

std::string Head::url() const {
  return fmt::format("http://{}:{}", options_.bind, gateway_->port());
}

Result<void> Head::start() {
  TROUPE_TRY(start_actors());
  return start_gateway();
}

Result<void> Head::start_actors() {
  auto stores = open_stores(options_.dir, *clock_);
  if (!stores) return std::move(stores).error();
  token_ = stores->token;
  user_ = stores->user;
  auto context = std::make_shared<HeadContext>();
  context->clock = clock_;
  context->ledger = stores->ledger;
  context->series = stores->series;
  context->code = stores->code;
  context->data = stores->data;
  context->metrics = std::make_shared<MetricRegistry>();
  context->audit = std::make_shared<ReportAudit>(clock_, *context->metrics);
  context->secret = stores->secret;
  context->ask_node = options_.ask_node;
  context->own_threads = true;
  context->keeps_checkpoints = options_.keeps_checkpoints;
  context->receipts = recall_receipts(*stores->ledger);
  context->rules = options_.rules;
  context->retention = options_.retention;
  context->dir = options_.dir;
  context->joins = options_.joins;
  context->replicas = options_.replicas;
  context->expected_nodes =
      options_.expected_nodes ? *options_.expected_nodes : nodes_in_use(*stores->ledger);
  context->on_events = [relay = relay_](uint64_t last) { relay->came(last); };
  context_ = context;
  cast_ = spawn_cast(system_, context_, options_.policy);
  keeper_ = system_.spawn<caf::detached>(keeper_behavior, context_,
                                         KeeperPeers{cast_.ledger, cast_.datasets, cast_.registry});
  searches_ = system_.spawn<caf::detached>(search_checker_behavior, context_);
  auto asked = [](const auto& actor) { return caf::actor_cast<status_actor>(actor); };
  lag_probe_ =
      system_.spawn<caf::detached>(lag_probe_behavior, context_,
                                   LagProbeState::Targets{{"director", asked(cast_.director)},
                                                          {"ledger", asked(cast_.ledger)},
                                                          {"registry", asked(cast_.registry)},
                                                          {"scheduler", asked(cast_.scheduler)},
                                                          {"series", asked(cast_.series)}});
  return ok();
}

Result<void> Head::start_gateway() {
  GatewayPeers peers{cast_.director, cast_.registry, cast_.code,        cast_.datasets,
                     keeper_,        searches_,      options_.ask_node, options_.cut_node};
  GatewayOptions options;
  options.bind = options_.bind;
  options.port = options_.port;
  options.allowed_hosts = options_.allowed_hosts;
  auto gateway = Gateway::start(system_, context_, peers, relay_, options);
  if (!gateway && !options_.port_given) {
    // Nobody asked for 7070: another head or another program has it, and any port does.
    options.port = 0;
    gateway = Gateway::start(system_, context_, peers, relay_, options);
  }
  if (!gateway) return std::move(gateway).error();
  gateway_ = std::move(*gateway);
  return ok();
}

uint64_t Head::drain(const std::string& cause) {
  uint64_t stopped = 0;
  if (!cast_.director) return stopped;
  bool answered = false;
  caf::scoped_actor self{system_};
  self->request(cast_.director, drain_timeout, drain_atom_v, cause)
      .receive(
          [&](uint64_t count) {
            stopped = count;
            answered = true;
          },
          [&](caf::error&) {});
  if (!answered) log::warning("head", "some jobs did not end in time; they are killed");
  return stopped;
}

template <class Handle>
void Head::end(Handle& actor) {
  if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  destroy(actor);
}

void Head::stop_serving() {
  if (context_) context_->closing->store(true);
  if (gateway_) gateway_->stop();
  end(keeper_);
  end(searches_);
  end(lag_probe_);
  end(cast_.registry);
}

void Head::stop() {
  stop_serving();
  if (cast_.series) {
    caf::scoped_actor self{system_};
    self->request(cast_.series, std::chrono::seconds{5}, sync_atom_v)
        .receive([](bool) {}, [](caf::error&) {});
  }
  end(cast_.director);
  end(cast_.scheduler);
  end(cast_.code);
  end(cast_.datasets);
  end(cast_.series);
  end(cast_.ledger);
}

}  // namespace troupe::actors
