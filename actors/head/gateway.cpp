#include "actors/head/gateway.hpp"

#include "client/api/server.hpp"
#include "runtime/core/log.hpp"

#include <kj/async-io.h>

#include <future>

namespace troupe::actors {

void EventRelay::came(uint64_t last) {
  last_ = last;
  if (posted_.exchange(true)) return;
  bool posted = inbox_.post([this] {
    posted_ = false;
    if (service_ != nullptr) service_->events_came(last_);
  });
  if (!posted) posted_ = false;
}

Result<std::unique_ptr<Gateway>> Gateway::start(caf::actor_system& system, HeadContextRef context,
                                                GatewayPeers peers,
                                                std::shared_ptr<EventRelay> relay,
                                                GatewayOptions options) {
  std::unique_ptr<Gateway> gateway{new Gateway};
  gateway->bridge_ = system.spawn(bridge_behavior);
  std::promise<Result<uint16_t>> promise;
  auto ready = promise.get_future();
  auto tell = [&promise](Result<uint16_t> port) { promise.set_value(std::move(port)); };
  gateway->thread_ = std::thread{[&gateway = *gateway, context, peers = std::move(peers), relay,
                                  options = std::move(options), tell]() mutable {
    gateway.serve(std::move(context), std::move(peers), std::move(relay), std::move(options), tell);
  }};
  auto port = ready.get();
  if (!port) {
    gateway->stop();
    return std::move(port).error();
  }
  gateway->port_ = *port;
  return gateway;
}

void Gateway::serve(HeadContextRef context, GatewayPeers peers, std::shared_ptr<EventRelay> relay,
                    GatewayOptions options, std::function<void(Result<uint16_t>)> ready) {
  auto io = kj::setupAsyncIo();
  auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
  stop_ = kj::mv(stop.fulfiller);
  GatewayService service{std::move(context), std::move(peers), bridge_, io.provider->getTimer()};
  relay->service_ = &service;
  auto news = relay->inbox_.run().eagerlyEvaluate([](kj::Exception&& e) {
    log::error("gateway", "the event relay ended: {}", e.getDescription().cStr());
  });
  {
    api::ServerOptions server_options;
    server_options.address = options.bind;
    server_options.port = options.port;
    server_options.allowed_hosts = options.allowed_hosts;
    api::ApiServer server{service, *io.provider, std::move(server_options)};
    auto port = server.listen().wait(io.waitScope);
    bool listens = port.has_value();
    ready(std::move(port));
    if (listens) {
      auto serving = server.serve().eagerlyEvaluate([](kj::Exception&& e) {
        log::error("gateway", "serving ended: {}", e.getDescription().cStr());
      });
      stop.promise.wait(io.waitScope);
      server.drain().wait(io.waitScope);
    }
  }
  relay->service_ = nullptr;
}

void Gateway::stop() {
  if (!thread_.joinable()) return;
  if (stop_.get() != nullptr) stop_->fulfill();
  thread_.join();
  caf::anon_send_exit(bridge_, caf::exit_reason::user_shutdown);
  destroy(bridge_);
}

Gateway::~Gateway() {
  stop();
}

}  // namespace troupe::actors
